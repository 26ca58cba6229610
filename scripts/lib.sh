# Shared by scripts/run and scripts/demo: a broker to start, what was built, and the accounts of the
# tutorials. To be sourced; the caller has set -euo pipefail and $here.

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The version of the unpacked broker that stands for this machine's distribution.
distribution_broker() {
    case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release) in
        bookworm) echo 2.0.11 ;;
        trixie) echo 2.0.21 ;;
        *) echo 2.1.2 ;;
    esac
}

# Sets $broker, the words in front of `mosquitto` and its clients: nothing where the machine has its
# own, else the launcher of an unpacked tree. BROKER=2.1.2 asks for a tree. Nothing is installed, so
# no package starts a service on port 1883.
choose_broker() {
    local wanted=${BROKER:-} tree
    PATH=$PATH:/usr/sbin:/sbin
    if [ -z "$wanted" ] && command -v mosquitto >/dev/null && command -v mosquitto_pub >/dev/null; then
        broker=()
        return
    fi
    [ -n "$wanted" ] || wanted=$(distribution_broker)
    tree=$("$here/scripts/brokers" "$wanted" | awk 'END { print $2 }')
    [ -x "$tree/run" ] || die "no broker $wanted"
    broker=("$tree/run")
}

broker_version() { "${broker[@]}" mosquitto -h 2>/dev/null | sed -n 's/^mosquitto version //p'; }

# Builds, and sets $plugin and $doorman.
build() {
    local target=${CARGO_TARGET_DIR:-$here/target}
    (cd "$here" && cargo build --release --quiet)
    plugin=$target/release/libmosquitto_doorman.so
    doorman=$target/release/doorman
    [ -e "$plugin" ] && [ -x "$doorman" ] || die "nothing was built in $target/release"
}

# port_is_open PORT: whether somebody listens there.
port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# prepare DIR PORT ADDRESS: a new private directory with a database of the tutorials' accounts and a
# mosquitto.conf. Sets $database and $conf.
prepare() {
    local dir=$1 name
    rm -rf "$dir"
    mkdir -p "$dir"
    chmod 700 "$dir"
    database=$dir/accounts.db
    conf=$dir/mosquitto.conf
    "$doorman" init --database "$database" >/dev/null 2>&1
    for name in roger sub_client pub_client; do
        add_account "$name" >/dev/null
    done
    {
        echo "listener $2 $3"
        echo "allow_anonymous false"
        echo "log_dest stderr"
        echo "log_timestamp_format %H:%M:%S"
        # As root the broker would become a user who cannot read this directory.
        [ "$(id -u)" -ne 0 ] || echo "user root"
        echo "plugin $plugin"
        echo "plugin_opt_database $database"
    } >"$conf"
}

# add_account NAME: with the password "password", which never stands on a command line.
add_account() {
    printf 'password\n' | "$doorman" user add --database "$database" "$1" --password-stdin
}
