# make run     a broker with the plugin, ready to be logged in to
# make test    everything the CI checks, from a fresh clone
# make demo    what the plugin does, shown step by step
# make bench   how fast it does it
# make fuzz    looks for bytes that a parser does not bear: FUZZ_SECONDS=60 for each, with a nightly toolchain
# make clean   removes what was built and downloaded

.PHONY: run test demo bench fuzz clean

FUZZ_SECONDS ?= 60

run:
	scripts/run

test:
	scripts/install-deps
	scripts/brokers
	scripts/python-env
	scripts/node-env
	scripts/fail2ban
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --no-fail-fast
	RUSTFLAGS="--cfg loom" cargo test --quiet --target-dir target/loom --lib loom

demo:
	scripts/demo

bench:
	scripts/bench

fuzz:
	scripts/fuzz $(FUZZ_SECONDS)

clean:
	cargo clean
	rm -rf .cache fuzz/target
