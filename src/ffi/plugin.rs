//! One loaded plugin line: its engine, what only the broker's thread may touch, and the answers to its events.
//!
//! Must not: hold a borrow of its own while it calls the broker: a kick reports the client's end, and
//! so comes back to us, before it returns.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::abi;
use super::broker::{Api, Broker, ClientPtr};
use super::callback::Purpose;
use super::connections::{Connections, Presence};
use super::entrance::{Entrance, Met};
use super::event::{self, Asked};
use super::guard::{Callbacks, Denied, OwnThread};
use super::recall::{self, Recall};
use super::signal::{Pulse, Waker};
use super::threads::Threads;
use super::{certificate, clock, logger};
use crate::config::{CertificateUse, Config, Control};
use crate::control::{self, Desk, Letter, Sender};
use crate::engine::{Ends, Engine, Opened, Subscribed, Waiting};
use crate::request::{Access, Action, ConnectionId, Occasion, Turn};
use crate::verdict::{Effect, Reply, Verdict};

/// Who waits for an answer, at any listener: the broker completes by client id alone, so two plugin
/// lines must know of each other's.
static WAITING: LazyLock<Arc<Waiting>> = LazyLock::new(Arc::default);

/// How long 2.1 may sleep where we cannot wake it: a bound for brokers that have no other reason to
/// wake up (built without websockets).
const TICK_INTERVAL_MS: std::ffi::c_long = 200;

/// How long it may sleep where something is left to do in the next round.
const SOON_MS: std::ffi::c_long = 1;

/// How often it comes round where connections are to be ended, or lines to be written.
const BEAT: Duration = Duration::from_micros(250);

/// What hangs off `user_data`.
pub(super) struct Plugin {
    pub(super) api: &'static Api,
    pub(super) engine: Arc<Engine>,
    /// What interrupts the broker's wait, unless the signal for it is somebody else's.
    pub(super) waker: Option<Waker>,
    main: OwnThread<Main>,
}

/// What belongs to the broker's thread.
pub(super) struct Main {
    broker: Broker,
    identifier: *mut abi::mosquitto_plugin_id_t,
    callbacks: Callbacks,
    pub(super) connections: RefCell<Connections>,
    pub(super) entrance: Entrance,
    recall: RefCell<Recall>,
    pub(super) threads: Threads,
    /// Has the broker come round for connections that are to be ended.
    hurry: Cell<Option<Pulse>>,
    /// A reload is under way: set by RELOAD, cleared by the next TICK.
    reloading: Cell<bool>,
    /// Who may give orders, and whether that was said.
    pub(super) control: Control,
    control_is_wanted: bool,
}

impl Main {
    /// Which callbacks are running.
    pub(super) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// The number of a client that is known.
    #[cfg(test)]
    pub(super) fn number(&self, client: ClientPtr) -> Option<crate::request::ConnectionId> {
        self.connections.borrow().number(client)
    }

    /// The broker.
    pub(super) fn broker(&self) -> Broker {
        self.broker
    }

    /// What registrations name.
    pub(super) fn identifier(&self) -> *mut abi::mosquitto_plugin_id_t {
        self.identifier
    }
}

impl Plugin {
    /// Opens every source. No thread runs yet.
    ///
    /// # Errors
    /// One clear line.
    pub(super) fn open(
        api: &'static Api,
        identifier: *mut abi::mosquitto_plugin_id_t,
        config: &Config,
    ) -> Result<Box<Self>, String> {
        if config.certificate != CertificateUse::Off && !certificate::can_be_read() {
            return Err(
                "plugin_opt_certificate: this broker has no OpenSSL that a certificate could be read with \
                 (i2d_X509, X509_free)"
                    .to_owned(),
            );
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| format!("no random bytes: {error}"))?;
        let Opened { engine, watched } =
            Engine::open(config, &key, clock::now, Arc::clone(&WAITING))
                .map_err(|error| error.to_string())?;
        let threads = Threads::for_sources(config, watched, engine.vault());
        Ok(Box::new(Self {
            api,
            engine: Arc::new(engine),
            waker: Waker::claim(),
            main: OwnThread::new(Main {
                broker: Broker::on_its_own_thread(api),
                identifier,
                callbacks: Callbacks::default(),
                connections: RefCell::default(),
                entrance: Entrance::default(),
                recall: RefCell::default(),
                threads,
                hurry: Cell::new(None),
                reloading: Cell::new(false),
                control: config
                    .controlled()
                    .map_or(Control::Off, |(control, _)| control),
                control_is_wanted: config.control.is_some(),
            }),
        }))
    }

    /// Whether there is anything to be asked about who may enter.
    pub(super) fn has_sources(&self) -> bool {
        self.engine.has_sources()
    }

    /// Whether the operator asked for orders to be taken.
    pub(super) fn wants_orders(&self) -> bool {
        self.main().is_some_and(|main| main.control_is_wanted)
    }

    /// Whether there is anything to be asked for this.
    pub(super) fn serves(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Entry => self.has_sources(),
            Purpose::Exchange => self.has_sources() && self.engine.offers_exchanges(),
            Purpose::Key => self.has_sources() && self.engine.gives_keys(),
            Purpose::Access => self.engine.has_acl(),
            Purpose::Both => self.has_sources() || self.engine.has_acl(),
            Purpose::Unwelcome => self.main().is_some_and(|main| main.entrance.is_watched()),
            Purpose::Control => self.main().is_some_and(|main| main.control != Control::Off),
        }
    }

    /// The part of the broker's thread, on it.
    pub(super) fn main(&self) -> Option<&Main> {
        self.main.get()
    }

    /// A rule's answer for this broker.
    pub(super) fn denied(&self, denied: Denied) -> c_int {
        if self.api.since_2_1() {
            denied.since_2_1
        } else {
            denied.before_2_1
        }
    }

    /// BASIC_AUTH.
    pub(super) fn basic_auth(
        &self,
        main: Option<&Main>,
        event: &abi::mosquitto_evt_basic_auth,
    ) -> c_int {
        let client = ClientPtr::new(event.client);
        let asked = match main.zip(client) {
            Some((main, client)) => self.asked(main, client),
            None => Asked {
                connection: None,
                occasion: Occasion::Now,
            },
        };
        let shows = self.shows(main, client);
        let request = event::basic_auth(self.api, event, asked, shows.as_request());
        let by_token = match request.fault {
            None => self.engine.enter_by_token(&request.connect, clock::now()),
            Some(_) => None,
        };
        let verdict = match by_token {
            Some(reply) => self.named_by_token(main, event, request.connect.client.id, &reply),
            None => self.login(main.zip(client), &request),
        };
        // Whoever else lets it in, it ends with its key.
        let has_key = || asked.connection.is_some_and(|c| self.engine.has_key(c));
        // Who is in without a username is nobody's account, and stays as it is.
        let is_nobodys = asked.occasion == Occasion::Again && request.connect.username.is_none();
        if let Some((main, client)) = main.zip(client) {
            match verdict {
                Verdict::Pending => {}
                Verdict::Allow => main.connections.borrow_mut().enters(client),
                Verdict::Defer(_) if has_key() || is_nobodys => {
                    main.connections.borrow_mut().enters(client);
                }
                Verdict::Defer(_) => self.leave_to_others(main, client),
                Verdict::Deny(_) => self.forget(main, client),
            }
        }
        if let Some(main) = main {
            // 2.0.11 with per_listener_settings never ticks.
            logger::flush(main.broker, logger::FEW_LINES);
        }
        event::code(self.api, verdict)
    }

    /// EXT_AUTH_START: a client wants to show who it is by an exchange, or to show it again.
    pub(super) fn exchange_begins(
        &self,
        main: &Main,
        event: &mut abi::mosquitto_evt_extended_auth,
    ) -> Option<c_int> {
        let client = ClientPtr::new(event.client)?;
        let mut random = [0; 18];
        if let Err(error) = getrandom::fill(&mut random) {
            log::error!("no random bytes: {error}");
            return None;
        }
        let method = event::method(event)?;
        let random = &random;
        let shows = self.shows(Some(main), Some(client));
        let reply = {
            let turn = Turn::First { method, random };
            let connection = Some(self.exchanging(main, client));
            let shows = shows.as_request();
            let said = event::said(self.api, event, connection, turn, shows)?;
            self.engine.exchange(&said, clock::now())
        };
        Some(self.replied(main, client, event, &reply))
    }

    /// EXT_AUTH_CONTINUE: the client goes on, in an exchange that may be another plugin's.
    pub(super) fn exchange_goes_on(
        &self,
        main: &Main,
        event: &mut abi::mosquitto_evt_extended_auth,
    ) -> Option<c_int> {
        let client = ClientPtr::new(event.client)?;
        let Some(connection) = main.connections.borrow().number(client) else {
            return Some(abi::MOSQ_ERR_PLUGIN_DEFER);
        };
        let shows = self.shows(Some(main), Some(client));
        let connection = Some(connection);
        let said = event::said(self.api, event, connection, Turn::Next, shows.as_request())?;
        let reply = self.engine.exchange(&said, clock::now());
        Some(self.replied(main, client, event, &reply))
    }

    /// Which connection an exchange belongs to: the one that is in, or one that begins with it.
    fn exchanging(&self, main: &Main, client: ClientPtr) -> ConnectionId {
        if let Some(connection) = self.waiting_by_key(main, client) {
            return connection;
        }
        let known = main.connections.borrow().number(client);
        if let Some(connection) = known
            // 2.0 reports the end of every connection, so who is known and in is still there.
            && main.broker.is_established(client).unwrap_or(true)
            && self.engine.is_in(connection)
        {
            return connection;
        }
        let (connection, before) = main.connections.borrow_mut().begin(client);
        if let Some(before) = before {
            self.engine.disconnected(before);
        }
        connection
    }

    /// Carries out a reply. Whoever is in by an exchange has the name that it has proven.
    fn replied(
        &self,
        main: &Main,
        client: ClientPtr,
        event: &mut abi::mosquitto_evt_extended_auth,
        reply: &Reply,
    ) -> c_int {
        let done = match reply {
            Reply::Say(data) => event::tell(event, data),
            Reply::Allow { username, data } => {
                self.is_named(main, client, username) && event::tell(event, data)
            }
            Reply::Wait { .. } | Reply::Deny(_) | Reply::Defer => false,
        };
        let number = main.connections.borrow().number(client);
        if done && matches!(reply, Reply::Allow { .. }) {
            main.connections.borrow_mut().enters(client);
        }
        let stays = match reply {
            Reply::Say(_) | Reply::Allow { .. } => done,
            // Since 2.1 nobody tells of a client that was refused; one that is in has an end of its own.
            Reply::Wait { .. } | Reply::Deny(_) | Reply::Defer => {
                number.is_some_and(|connection| self.engine.is_in(connection))
            }
        };
        match reply {
            _ if stays => {}
            Reply::Defer => self.leave_to_others(main, client),
            Reply::Say(_) | Reply::Allow { .. } | Reply::Wait { .. } | Reply::Deny(_) => {
                self.forget(main, client);
            }
        }
        // 2.0.11 with per_listener_settings never ticks.
        logger::flush(main.broker, logger::FEW_LINES);
        match (reply, done) {
            (Reply::Say(_) | Reply::Allow { .. }, false) => abi::MOSQ_ERR_AUTH,
            (_, _) => event::reply_code(reply),
        }
    }

    /// Whether the client has this name now. What is checked later is checked for it.
    pub(super) fn is_named(&self, main: &Main, client: ClientPtr, username: &str) -> bool {
        if event::has_name(self.api, client, username) {
            return true;
        }
        let in_c = CString::new(username.as_bytes());
        in_c.is_ok_and(|name| main.broker.set_username(client, &name))
    }

    /// ACL_CHECK: comes on any thread and within any callback. What is remembered helps on the broker's
    /// thread where nobody is at it; the answer is the same without. None is for what cannot be understood.
    pub(super) fn acl_check(
        &self,
        main: Option<&Main>,
        event: &abi::mosquitto_evt_acl_check,
    ) -> Option<c_int> {
        if let Some(main) = main {
            self.meet_keyed(main, event.client);
        }
        let meet = |client| main.map_or(Met::In, |main| self.meet(main, client, event.access));
        let has = |client, access: &Access<'_>| {
            main.map_or(Subscribed::Judged, |main| {
                self.subscriptions(main, client, access)
            })
        };
        let recall = main.and_then(|main| main.recall.try_borrow_mut().ok());
        let permit = match (recall, recall::passing(event.access)) {
            (Some(mut recall), Some(to)) => {
                recall.ask(self.api, &self.engine, event, to, meet, has)?
            }
            (Some(_), None) | (None, _) => {
                let access = event::acl_check(self.api, event)?;
                let client = ClientPtr::new(event.client)?;
                let met = meet(client);
                // Before it has any of its own.
                has(client, &access);
                match met {
                    Met::Out(reason) => self.engine.turned_out(&access, reason),
                    Met::In | Met::Gone => self.engine.may(&access),
                }
            }
        };
        Some(event::access_code(permit))
    }

    /// What is known of a client's subscriptions when it is first asked about.
    fn subscriptions(&self, main: &Main, client: ClientPtr, access: &Access<'_>) -> Subscribed {
        let presence = main.connections.borrow().presence(client);
        // Whoever subscribes is here; the broker also asks while it carries out what we want done.
        let subscribes = access.action == Action::Subscribe && !main.callbacks().is_nested();
        match presence {
            Presence::Away if !subscribes => Subscribed::Waiting,
            Presence::Judged => Subscribed::Judged,
            Presence::Away | Presence::Came => {
                // What is sent to it before it has subscribed is what it was subscribed to.
                let begins =
                    access.action != Action::Receive && !event::has_subscriptions(self.api, client);
                if !begins && !self.engine.has_judged(access.username, access.client_id) {
                    return Subscribed::Inherited;
                }
                let number = main.connections.borrow_mut().is_judged(client);
                if let Some(connection) = number.filter(|_| begins) {
                    self.engine.begins_anew(connection);
                }
                Subscribed::Judged
            }
        }
    }

    /// Which connection is asked about, and why.
    fn asked(&self, main: &Main, client: ClientPtr) -> Asked {
        let first = match self.api.since_2_1() {
            true => Occasion::Later,
            false => Occasion::Now,
        };
        if let Some(connection) = self.waiting_by_key(main, client) {
            return Asked {
                connection: Some(connection),
                occasion: first,
            };
        }
        let known = main.connections.borrow().number(client);
        // 2.0 reports the end of every connection, so who is known has entered.
        let entered = main.broker.is_established(client).unwrap_or_else(|| {
            let ours = known.is_some()
                || event::looks_restored(self.api, client)
                || event::has_subscriptions(self.api, client);
            main.reloading.get() && ours
        });
        if let (true, Some(connection)) = (entered, known) {
            return Asked {
                connection: Some(connection),
                occasion: Occasion::Again,
            };
        }
        let mut connections = main.connections.borrow_mut();
        let (connection, before) = match entered {
            true => connections.begin_as_it_is(client),
            false => connections.begin(client),
        };
        drop(connections);
        if let Some(before) = before {
            self.engine.disconnected(before);
        }
        let occasion = match entered {
            true => Occasion::Again,
            false => first,
        };
        Asked {
            connection: Some(connection),
            occasion,
        }
    }

    pub(super) fn forget(&self, main: &Main, client: ClientPtr) {
        if let Ok(mut recall) = main.recall.try_borrow_mut() {
            recall.forget(client);
        }
        main.entrance.forget(client);
        let ended = main.connections.borrow_mut().end(client);
        if let Some(connection) = ended {
            self.engine.disconnected(connection);
        }
    }

    /// It is nobody's whom we know; somebody else may let it in.
    fn leave_to_others(&self, main: &Main, client: ClientPtr) {
        let presence = main.connections.borrow().presence(client);
        self.forget(main, client);
        main.connections.borrow_mut().stays(client, presence);
    }

    /// DISCONNECT and CLIENT_OFFLINE. Idempotent: the broker reports some ends twice.
    pub(super) fn disconnected(&self, main: &Main, client: *mut abi::mosquitto) -> c_int {
        let Some(client) = ClientPtr::new(client) else {
            return abi::MOSQ_ERR_SUCCESS;
        };
        self.leaves(main, client);
        self.forget(main, client);
        abi::MOSQ_ERR_SUCCESS
    }

    /// CONTROL: whoever may gives an order, which is carried out elsewhere.
    pub(super) fn control(&self, main: &Main, event: &abi::mosquitto_evt_control) -> c_int {
        let heard = abi::MOSQ_ERR_SUCCESS;
        // 2.0.11 with per_listener_settings never ticks.
        self.perform_all(main, self.engine.take_answers());
        let Some((client, order)) = event::control(self.api, event) else {
            return heard;
        };
        let connection = main.connections.borrow().number(client);
        // Since 2.1 a topic is the first plugin's, whoever's listener the client is at, and all come by
        // CONNECT: who did not, is judged by other accounts than ours.
        if connection.is_none() && self.api.since_2_1() {
            log::warn!(
                "an order came from a client of another plugin's listener: it is not carried out"
            );
            return heard;
        }
        let is_own = order.access.topic == control::OWN_TOPIC;
        if !self
            .engine
            .may_administer(&order.access, connection, main.control)
        {
            return heard;
        }
        let letter = Letter {
            sender: Sender {
                username: order.access.username.map(Into::into),
                client_id: order.access.client_id.map(Into::into),
                address: order.address.map(Into::into),
                connection,
                qos: order.access.qos,
                retain: order.access.retain,
            },
            at: clock::now().wall,
            payload: order.payload.to_vec().into(),
        };
        if let Some(desk) = &*main.threads.desk() {
            match is_own {
                true => self.take_own(desk, letter),
                false if desk.take(letter).is_err() => {
                    let overflow = control::overflow();
                    self.engine.publish(None, control::RESPONSE_TOPIC, overflow);
                }
                false => {}
            }
        }
        heard
    }

    fn take_own(&self, desk: &Desk, letter: Letter) {
        let to = letter.sender.addressee();
        if desk.take_own(letter).is_err()
            && let Some(to) = to
        {
            let overflow = control::overflow();
            self.engine
                .publish(Some(to), control::OWN_RESPONSE_TOPIC, overflow);
        }
    }

    /// RELOAD: the sources are looked at on the watcher's thread; the broker's goes on at once.
    pub(super) fn reload(&self, main: &Main) -> c_int {
        main.reloading.set(true);
        main.threads.look();
        self.denied(super::guard::RELOAD.denied)
    }

    /// TICK: log lines of other threads, then what is to be done to the broker.
    pub(super) fn tick(&self, main: &Main, event: &mut abi::mosquitto_evt_tick) -> c_int {
        main.reloading.set(false);
        main.entrance.round();
        main.threads.pass();
        // Where nothing has it come round for the others at once, all of it is done now.
        let (ends, lines) = match self.waker {
            Some(_) => (Ends::Few, logger::FEW_LINES),
            None => (Ends::Many, usize::MAX),
        };
        logger::flush(main.broker, lines);
        let effects = self.engine.tick(ends, clock::now);
        let has = |is: fn(&Effect) -> bool| effects.iter().any(is);
        let published =
            has(|effect| matches!(effect, Effect::Publish { .. } | Effect::Tell { .. }));
        let ended = has(|effect| {
            matches!(
                effect,
                Effect::Kick { .. }
                    | Effect::KickKeyed { .. }
                    | Effect::KickUnseen { .. }
                    | Effect::KickUsername(_)
                    | Effect::Recheck { .. }
            )
        });
        self.perform_all(main, effects);
        self.hurry(main, ended);
        // Ignored by 2.0, which comes round ten times a second.
        if published {
            // What follows an answer does so in the next round.
            event.next_ms = SOON_MS;
        } else if self.waker.is_none() {
            // Where nothing else wakes the broker, it comes round by itself.
            event.next_ms = TICK_INTERVAL_MS;
        }
        abi::MOSQ_ERR_SUCCESS
    }

    /// Has the broker come round at once where lines are left to be written, or connections were ended and more are
    /// to be.
    fn hurry(&self, main: &Main, ended: bool) {
        let Some(waker) = self.waker else { return };
        let pulse = main.hurry.take();
        let is_more = logger::waits() || ended && self.engine.has_ends();
        if !is_more {
            return;
        }
        match pulse.or_else(|| waker.pulse(BEAT)) {
            Some(pulse) => main.hurry.set(Some(pulse)),
            None => {
                logger::flush(main.broker, usize::MAX);
                self.perform_all(main, self.engine.tick(Ends::Many, clock::now));
            }
        }
    }
}
