//! The throttle from outside: who gets in, who waits, and that its memory stays small.
#![forbid(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a sum of a test that overflows fails it"
)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const HOME: &str = "192.0.2.7";
const SECOND: Duration = Duration::from_secs(1);

fn throttle() -> Throttle {
    Throttle::new(ThrottleLimits::STANDARD)
}

fn who<'a>(ip: &str, username: &'a str) -> Who<'a> {
    by(ip.parse().ok(), username)
}

fn by(ip: Option<IpAddr>, username: &str) -> Who<'_> {
    Who {
        ip,
        username,
        credential: None,
    }
}

/// Another stranger for each number.
fn stranger(n: u32) -> Option<IpAddr> {
    Some(IpAddr::from((0x0a00_0000 | n).to_be_bytes()))
}

#[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn after(begin: Instant, seconds: u64) -> Instant {
    begin.checked_add(Duration::from_secs(seconds)).unwrap()
}

fn admitted(admission: Admission) -> bool {
    matches!(admission, Admission::Admit(_))
}

fn login(throttle: &mut Throttle, who: &Who<'_>, now: Instant) {
    assert!(admitted(throttle.admit(who, now)));
    throttle.succeeded(who, now);
}

/// Whether the attempt was admitted; then it fails.
fn guess(throttle: &mut Throttle, who: &Who<'_>, now: Instant) -> bool {
    let goes = admitted(throttle.admit(who, now));
    if goes {
        throttle.failed(who, now);
    }
    goes
}

#[test]
fn strangers_guessing_a_username_do_not_lock_out_its_owner() {
    let (mut throttle, now) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), now);
    let mut went = 0;
    for n in 0..5_000 {
        let ip = stranger(n);
        let guessing = by(ip, "alice");
        went += u32::from(guess(&mut throttle, &guessing, now));
    }
    assert!(went < 200, "{went} guesses were admitted");
    assert!(!admitted(
        throttle.admit(&who("198.51.100.1", "alice"), now)
    ));
    assert_eq!(
        throttle.admit(&who(HOME, "alice"), now),
        Admission::Admit(Standing::Known)
    );
    assert_eq!(throttle.delay(&who(HOME, "alice"), now), Duration::ZERO);
}

#[test]
fn five_hundred_devices_behind_one_address_all_enter_at_once() {
    let (mut throttle, now) = (throttle(), start());
    let names: Vec<String> = (0..500).map(|n| format!("sensor{n}")).collect();
    for name in &names {
        assert!(admitted(throttle.admit(&who(HOME, name), now)), "{name}");
    }
    for name in &names {
        throttle.succeeded(&who(HOME, name), now);
    }
    // And as many times again as there are names: being right costs nothing.
    for n in 0..5_000 {
        login(&mut throttle, &who(HOME, &format!("more{n}")), now);
    }
}

#[test]
fn five_hundred_devices_with_one_username_all_enter_at_once() {
    let (mut throttle, now) = (throttle(), start());
    for _ in 0..3 {
        for _ in 0..500 {
            assert!(admitted(throttle.admit(&who(HOME, "fleet"), now)));
        }
        for _ in 0..500 {
            throttle.succeeded(&who(HOME, "fleet"), now);
        }
    }
}

#[test]
fn a_misconfigured_device_holds_up_nobody_else_at_its_address() {
    let (mut throttle, begin) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), begin);
    let mut went = 0;
    for second in 0..3_600 {
        let now = after(begin, second);
        went += u32::from(guess(&mut throttle, &who(HOME, "broken"), now));
        if second % 60 == 0 {
            login(&mut throttle, &who(HOME, &format!("new{second}")), now);
            let alice = throttle.admit(&who(HOME, "alice"), now);
            assert_eq!(alice, Admission::Admit(Standing::Known));
            throttle.succeeded(&who(HOME, "alice"), now);
        }
    }
    assert!((60..90).contains(&went), "{went} hashes in an hour");
    // Repaired, it waits a minute at most.
    login(&mut throttle, &who(HOME, "broken"), after(begin, 3_660));
    login(&mut throttle, &who(HOME, "broken"), after(begin, 3_660));
}

#[test]
fn ten_misconfigured_devices_do_not_add_up_against_their_address() {
    let (mut throttle, begin) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), begin);
    for second in 0..1_200 {
        let now = after(begin, second);
        for n in 0..10 {
            guess(&mut throttle, &who(HOME, &format!("broken{n}")), now);
        }
        login(&mut throttle, &who(HOME, &format!("new{second}")), now);
    }
}

#[test]
fn an_address_that_tries_many_names_waits_longer_and_longer() {
    let (mut throttle, begin) = (throttle(), start());
    let mut went = 0;
    for second in 0..600 {
        let name = format!("name{second}");
        went += u32::from(guess(
            &mut throttle,
            &who(HOME, &name),
            after(begin, second),
        ));
    }
    assert!((31..60).contains(&went), "{went} guesses in ten minutes");
}

#[test]
fn an_account_of_ones_own_does_not_pay_for_guesses() {
    let (mut throttle, begin) = (throttle(), start());
    let mut went = 0;
    for second in 0..600 {
        let now = after(begin, second);
        throttle.recognised(&who(HOME, "mallory"), now);
        if admitted(throttle.admit(&who(HOME, "mallory"), now)) {
            throttle.succeeded(&who(HOME, "mallory"), now);
        }
        let name = format!("name{second}");
        went += u32::from(guess(&mut throttle, &who(HOME, &name), now));
    }
    assert!(went < 160, "{went} guesses in ten minutes");
}

#[test]
fn after_a_wait_one_attempt_is_let_through_and_not_all() {
    let (mut throttle, begin) = (throttle(), start());
    for second in 0..300 {
        guess(&mut throttle, &who(HOME, "alice"), after(begin, second));
    }
    let now = after(begin, 361);
    assert!(admitted(throttle.admit(&who(HOME, "alice"), now)));
    for _ in 0..10 {
        assert!(!admitted(throttle.admit(&who(HOME, "alice"), now)));
    }
    throttle.succeeded(&who(HOME, "alice"), now);
    assert!(admitted(throttle.admit(&who(HOME, "alice"), now)));
}

#[test]
fn a_right_password_frees_an_address_for_the_next_one() {
    let (mut throttle, now) = (throttle(), start());
    for n in 0..31 {
        guess(&mut throttle, &who(HOME, &format!("name{n}")), now);
    }
    assert!(!admitted(throttle.admit(&who(HOME, "bob"), now)));
    let now = after(now, 1);
    login(&mut throttle, &who(HOME, "bob"), now);
    login(&mut throttle, &who(HOME, "carol"), now);
}

#[test]
fn standing_orders_the_queue() {
    let (mut throttle, now) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), now);
    let mut standing = |ip: &str, name: &str| match throttle.admit(&who(ip, name), now) {
        Admission::Admit(standing) => standing,
        Admission::Refuse { .. } => panic!("{name} was refused"),
    };
    assert_eq!(standing(HOME, "alice"), Standing::Known);
    assert_eq!(standing(HOME, "bob"), Standing::Known);
    assert_eq!(standing("198.51.100.1", "alice"), Standing::New);
    for n in 0..15 {
        guess(&mut throttle, &who("198.51.100.1", &format!("n{n}")), now);
    }
    assert_eq!(
        throttle.admit(&who("198.51.100.1", "x"), now),
        Admission::Admit(Standing::Suspect)
    );
    assert!(Standing::Known < Standing::New && Standing::New < Standing::Suspect);
}

#[test]
fn strangers_leave_a_quarter_of_all_work_to_good_addresses() {
    let (mut throttle, now) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), now);
    let went = (0..3_000).filter(|n| {
        let username = format!("name{n}");
        let ip = stranger(*n);
        let username = &username;
        admitted(throttle.admit(&by(ip, username), now))
    });
    assert_eq!(went.count(), 900);
    login(&mut throttle, &who(HOME, "bob"), now);
    assert!(!admitted(throttle.admit(&who("198.51.100.1", "eve"), now)));
}

#[test]
fn failures_at_a_64_are_shared_and_those_of_another_are_not() {
    let (mut throttle, now) = (throttle(), start());
    for n in 0..6 {
        guess(&mut throttle, &who(&format!("2001:db8::{n}"), "alice"), now);
    }
    assert!(!admitted(
        throttle.admit(&who("2001:db8::ffff:9", "alice"), now)
    ));
    assert!(admitted(
        throttle.admit(&who("2001:db8:0:1::1", "alice"), now)
    ));
}

#[test]
fn an_ipv4_address_is_the_same_written_as_ipv6() {
    let (mut throttle, now) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), now);
    let mapped = throttle.admit(&who("::ffff:192.0.2.7", "alice"), now);
    assert_eq!(mapped, Admission::Admit(Standing::Known));
    // All of ::ffff:0:0/96 is one /64, and must not be.
    for n in 0..6 {
        guess(
            &mut throttle,
            &who("::ffff:192.0.2.8", "bob"),
            after(now, n),
        );
    }
    assert!(!admitted(
        throttle.admit(&who("192.0.2.8", "bob"), after(now, 5))
    ));
    assert!(admitted(
        throttle.admit(&who("::ffff:192.0.2.9", "bob"), now)
    ));
}

#[test]
fn exempt_networks_are_never_refused_and_their_neighbours_are() {
    let limits = ThrottleLimits {
        exempt: vec!["192.0.2.0/28".parse().unwrap()],
        ..ThrottleLimits::STANDARD
    };
    let (mut throttle, now) = (Throttle::new(limits), start());
    for _ in 0..10_000 {
        assert!(guess(&mut throttle, &who("::ffff:192.0.2.7", "alice"), now));
    }
    assert_eq!(throttle.delay(&who(HOME, "alice"), now), Duration::ZERO);
    assert!((0..10).any(|_| !guess(&mut throttle, &who("192.0.2.16", "alice"), now)));
}

#[test]
fn switched_off_it_refuses_nobody_and_remembers_nothing() {
    let limits = ThrottleLimits {
        on: false,
        ..ThrottleLimits::STANDARD
    };
    let (mut throttle, now) = (Throttle::new(limits), start());
    for n in 0..10_000 {
        assert!(guess(&mut throttle, &who(HOME, &n.to_string()), now));
    }
    assert_eq!(entries(&throttle), [0; 5]);
}

#[test]
fn a_unix_socket_is_held_up_by_pair_and_not_as_an_address() {
    let (mut throttle, now) = (throttle(), start());
    for n in 0..58 {
        assert!(guess(
            &mut throttle,
            &who("/run/m.sock", &format!("n{n}")),
            now
        ));
    }
    for _ in 0..6 {
        guess(&mut throttle, &who("/run/m.sock", "broken"), now);
    }
    assert!(!admitted(
        throttle.admit(&who("/run/m.sock", "broken"), now)
    ));
    assert!(admitted(throttle.admit(&who("/run/m.sock", "other"), now)));
}

#[test]
fn standing_ends_with_its_time() {
    let (mut throttle, begin) = (throttle(), start());
    login(&mut throttle, &who(HOME, "alice"), begin);
    let day = 86_400;
    let last = throttle.admit(&who(HOME, "alice"), after(begin, 30 * day));
    assert_eq!(last, Admission::Admit(Standing::Known));
    let late = throttle.admit(&who(HOME, "alice"), after(begin, 30 * day + 1));
    assert_eq!(late, Admission::Admit(Standing::New));
}

#[test]
fn a_flood_of_names_and_addresses_pushes_out_no_known_pair() {
    let mut throttle = Throttle::sized(ThrottleLimits::STANDARD, 64);
    let begin = start();
    login(&mut throttle, &who(HOME, "alice"), begin);
    for n in 0..5_000 {
        let username = &format!("name{n}");
        let ip = stranger(n);
        let now = after(begin, n.into());
        guess(&mut throttle, &by(ip, username), now);
        assert!(entries(&throttle).iter().all(|count| *count <= 64));
    }
    let now = after(begin, 5_000);
    let alice = throttle.admit(&who(HOME, "alice"), now);
    assert_eq!(alice, Admission::Admit(Standing::Known));
}

#[test]
fn what_is_refused_makes_no_entry() {
    let (mut throttle, now) = (throttle(), start());
    for n in 0..20_000 {
        let username = &format!("name{n}");
        let ip = stranger(n);
        guess(&mut throttle, &by(ip, username), now);
    }
    assert!(entries(&throttle).iter().all(|count| *count <= 900));
}

fn entries(throttle: &Throttle) -> [usize; 5] {
    [
        throttle.known.len(),
        throttle.good.len(),
        throttle.pairs.len(),
        throttle.addresses.len(),
        throttle.names.len(),
    ]
}

/// One step of somebody: who of a few, what, and how long after the last.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: u32,
    name: usize,
    deed: u8,
    pause: u64,
}

const NAMES: [&str; 4] = ["alice", "bob", "carol", ""];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..6_u32, 0..4_usize, 0..6_u8, 0..40_u64);
    let step = step.prop_map(|(place, name, deed, pause)| Step {
        place,
        name,
        deed,
        pause: pause.saturating_sub(30),
    });
    vec(step, 0..400)
}

fn act(throttle: &mut Throttle, step: Step, now: Instant) {
    let who = by(stranger(step.place), NAMES[step.name]);
    match step.deed {
        0 => throttle.failed(&who, now),
        1 => throttle.recognised(&who, now),
        2 => {
            admitted(throttle.admit(&who, now));
        }
        3 if admitted(throttle.admit(&who, now)) => throttle.succeeded(&who, now),
        3 => {}
        _ => {
            guess(throttle, &who, now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_strangers_do_refuses_or_delays_a_known_pair(steps in steps()) {
        let (mut throttle, mut now) = (throttle(), start());
        let home = who(HOME, "alice");
        login(&mut throttle, &home, now);
        for step in steps {
            now = after(now, step.pause);
            act(&mut throttle, step, now);
            prop_assert_eq!(throttle.delay(&home, now), Duration::ZERO);
            prop_assert_eq!(throttle.admit(&home, now), Admission::Admit(Standing::Known));
            throttle.succeeded(&home, now);
        }
    }

    #[test]
    fn everything_is_forgiven_in_half_an_hour(steps in steps()) {
        let (mut throttle, mut now) = (throttle(), start());
        for step in &steps {
            now = after(now, step.pause);
            act(&mut throttle, *step, now);
        }
        now = after(now, 1_800);
        for (place, username) in (0..6).zip(NAMES.iter().cycle()) {
            let who = by(stranger(place), username);
            prop_assert_eq!(throttle.delay(&who, now), Duration::ZERO);
            let admission = throttle.admit(&who, now);
            prop_assert!(admitted(admission) && admission != Admission::Admit(Standing::Suspect));
        }
    }

    #[test]
    fn a_failure_never_shortens_a_wait_or_a_delay(steps in steps()) {
        let (mut throttle, mut now) = (throttle(), start());
        for step in steps {
            now = after(now, step.pause);
            let who = by(stranger(step.place), NAMES[step.name]);
            let trace = throttle.trace(&who, now);
            let before = (throttle.wait(&trace, now), throttle.delay(&who, now));
            throttle.failed(&who, now);
            let trace = throttle.trace(&who, now);
            let behind = (throttle.wait(&trace, now), throttle.delay(&who, now));
            prop_assert!(before.0 <= behind.0 && before.1 <= behind.1, "{before:?} {behind:?}");
            prop_assert!(behind.1 <= ThrottleLimits::STANDARD.longest_delay);
        }
    }

    #[test]
    fn who_is_told_when_to_come_back_is_admitted_then(steps in steps()) {
        let (mut throttle, mut now) = (throttle(), start());
        for step in steps {
            now = after(now, step.pause);
            act(&mut throttle, step, now);
            let who = by(stranger(step.place), NAMES[step.name]);
            if let Admission::Refuse { retry_after } = throttle.admit(&who, now) {
                prop_assert!(retry_after <= Duration::from_mins(2));
                now = now.checked_add(retry_after).unwrap();
                prop_assert!(admitted(throttle.admit(&who, now)));
            }
        }
    }

    #[test]
    fn tables_stay_within_their_size(deeds in vec((any::<u32>(), "[a-z]{0,3}", 0..6_u8), 0..300)) {
        let mut throttle = Throttle::sized(ThrottleLimits::STANDARD, 16);
        let now = start();
        for (place, username, deed) in deeds {
            let who = by(Some(IpAddr::from(place.to_be_bytes())), &username);
            match deed {
                0 => throttle.succeeded(&who, now),
                1 => throttle.recognised(&who, now),
                2 => throttle.failed(&who, now),
                _ => { guess(&mut throttle, &who, now); }
            }
            prop_assert!(entries(&throttle).iter().all(|count| *count <= 16));
        }
    }

    #[test]
    fn no_time_is_too_far_or_too_early(times in vec((any::<u64>(), any::<bool>(), 0..6_u8), 1..60)) {
        let begin = start();
        let mut throttle = throttle();
        for (seconds, forward, deed) in times {
            let far = Duration::from_secs(seconds);
            let now = if forward { begin.checked_add(far) } else { begin.checked_sub(far) };
            let step = Step { place: 1, name: 0, deed, pause: 0 };
            act(&mut throttle, step, now.unwrap_or(begin));
            let actor = by(stranger(1), "alice");
            let delay = throttle.delay(&actor, now.unwrap_or(begin));
            prop_assert!(delay <= ThrottleLimits::STANDARD.longest_delay);
        }
    }

    /// The bucket that is one point in time against one that counts thousandths of tokens.
    #[test]
    fn a_bucket_admits_what_a_counting_one_does(
        count in 1..50_u32,
        pauses in vec(0..3_000_u64, 1..200),
    ) {
        // A period of `count` seconds: a token comes back each second.
        let period = Duration::from_secs(count.into());
        let rate = crate::config::Rate { count: count.try_into().unwrap(), period };
        let mut now = start();
        let mut bucket = Bucket::full(now);
        let most = u64::from(count) * 1_000;
        let mut thousandths = most;
        for pause in pauses {
            now = now.checked_add(Duration::from_millis(pause)).unwrap();
            thousandths = (thousandths + pause).min(most);
            let wait = bucket.wait(rate, 1, now);
            prop_assert_eq!(wait, Duration::from_millis(1_000_u64.saturating_sub(thousandths)));
            if wait.is_zero() {
                bucket.take(rate, 1, now);
                thousandths -= 1_000;
            }
        }
    }

    /// The penalty against one that is told of every second.
    #[test]
    fn a_penalty_is_what_a_second_by_second_one_is(pauses in vec(0..200_u64, 1..60)) {
        let tariff = Tariff { free: 5, longest: SECOND * 60, forgive: SECOND * 60 };
        let mut now = start();
        let mut penalty = Penalty::none(now);
        let (mut failures, mut waiting, mut quiet) = (0_u32, 0_u64, 0_u64);
        for pause in pauses {
            for _ in 0..pause {
                now = after(now, 1);
                match waiting.checked_sub(1) {
                    Some(left) => waiting = left,
                    None => quiet += 1,
                }
                if quiet == 60 {
                    (failures, quiet) = (failures / 2, 0);
                }
            }
            prop_assert_eq!(penalty.failures(tariff, now), failures);
            prop_assert_eq!(penalty.wait(now), Duration::from_secs(waiting));
            if waiting == 0 {
                quiet = if failures == 0 { 0 } else { quiet };
                failures = (failures + 1).min(12);
                waiting = if failures > 5 { (1 << (failures - 6)).min(60) } else { 0 };
                quiet = if waiting > 0 { 0 } else { quiet };
                penalty.fail(tariff, now);
            }
        }
    }
}

#[test]
fn whoever_was_not_verified_after_all_has_spent_nothing() {
    let (mut throttle, now) = (throttle(), start());
    let patient = who(HOME, "alice");
    for _ in 0..5_000 {
        assert!(admitted(throttle.admit(&patient, now)));
        throttle.released(&patient, now);
    }
    login(&mut throttle, &patient, now);
    for _ in 0..5_000 {
        assert!(admitted(throttle.admit(&patient, now)), "known by now");
        throttle.released(&patient, now);
    }
    // Without being released the tokens end.
    assert!((0..5_000).any(|_| !admitted(throttle.admit(&patient, now))));
}
