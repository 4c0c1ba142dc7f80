//! Both clocks: what a jump, a pause and a stall do to them.

use super::*;

#[test]
fn timestamps_are_shown_as_rfc_3339() {
    assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(
        Timestamp::from_unix_ms(1_767_323_045_678).to_string(),
        "2026-01-02T03:04:05.678Z"
    );
    assert_eq!(
        Timestamp::from_unix_ms(i64::MAX).to_string(),
        "9999-12-31T23:59:59.999Z"
    );
}

#[test]
fn a_jump_of_the_wall_clock_moves_no_deadline() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(1000));
    hand.jump(86_400_000);
    assert_eq!(clock.running(), Running::START);
    hand.advance(Duration::from_secs(2));
    assert_eq!(clock.running().since(Running::START), Duration::from_secs(2));
    assert_eq!(clock.now(), Timestamp::from_unix_ms(1000 + 86_400_000 + 2000));
}

/// A system clock whose monotonic one stands at `us` now, and goes on.
fn clock_at(us: u64) -> SystemClock {
    let Clock::System(clock) = Clock::system() else {
        unreachable!("made as the system's")
    };
    let origin = clock.origin.checked_sub(Duration::from_micros(us));
    SystemClock {
        origin: origin.expect("the machine has run for as long"),
        version: AtomicU64::new(0),
        seen_us: AtomicU64::new(0),
        left_out_us: AtomicU64::new(0),
        stands_from_us: AtomicU64::new(GOES),
        untold_us: Mutex::new(0),
    }
}

/// Whether `us` is so much and at most 100 ms more, which is what the test itself may take.
#[track_caller]
fn is_about(us: u64, wanted_ms: u64) {
    let wanted = wanted_ms * 1000;
    assert!(
        (wanted..wanted + 100_000).contains(&us),
        "{us} µs, not {wanted_ms} ms"
    );
}

#[test]
fn a_gap_between_ticks_is_taken_out_of_the_running_time() {
    // As if the last tick had been a minute ago.
    let clock = clock_at(60_000_000);
    let pause = clock.tick().expect("a pause");
    assert!(pause >= Duration::from_secs(59), "{pause:?}");
    is_about(clock.running_us(), 250);
    assert_eq!(clock.tick(), None, "it is told once");
}

#[test]
fn who_reads_first_after_a_pause_takes_it_out_and_it_is_told_at_the_next_tick() {
    let clock = clock_at(60_000_000);
    is_about(clock.running_us(), 250);
    assert!(clock.tick().is_some());
}

#[test]
fn at_rest_nothing_is_a_pause_and_the_next_tick_ends_the_rest() {
    let clock = clock_at(60_000_000);
    clock.seen_us.store(60_000_000, Ordering::SeqCst);
    clock.rest();
    // As if nothing had happened for 40 s, and commits came then.
    let later = clock_at(100_000_000);
    later
        .seen_us
        .store(clock.seen_us.load(Ordering::SeqCst), Ordering::SeqCst);
    is_about(later.running_us(), 100_000);
    later.stand();
    assert_eq!(later.go_on(), None);
    is_about(later.running_us(), 100_000);
    assert_eq!(
        later.seen_us.load(Ordering::SeqCst),
        AT_REST,
        "a commit is no tick"
    );
    assert_eq!(later.tick(), None);
    assert_ne!(later.seen_us.load(Ordering::SeqCst), AT_REST);
}

#[test]
fn a_late_wake_up_is_no_pause() {
    let clock = clock_at(100_000);
    assert_eq!(clock.tick(), None);
    is_about(clock.running_us(), 100);
}

#[test]
fn time_stands_still_while_the_disk_keeps_the_writer_waiting() {
    let clock = clock_at(100_000);
    clock.stand();
    // As if the commit had begun 40 s ago.
    let began = clock_at(40_100_000);
    for (from, to) in [
        (&clock.seen_us, &began.seen_us),
        (&clock.stands_from_us, &began.stands_from_us),
    ] {
        to.store(from.load(Ordering::SeqCst), Ordering::SeqCst);
    }
    is_about(began.running_us(), 350);
    assert_eq!(began.tick(), None, "that is no pause of the process");
    is_about(began.running_us(), 350);
    let stood = began.go_on().expect("long enough for a line");
    assert!(stood >= Duration::from_secs(39), "{stood:?}");
    is_about(began.running_us(), 350);
    assert_eq!(began.tick(), None);
}

#[test]
fn a_pause_during_a_commit_is_taken_out_once() {
    let clock = clock_at(60_000_000);
    // The commit began at 50 ms, and the process was stopped at 100 ms.
    clock.seen_us.store(100_000, Ordering::SeqCst);
    clock.stands_from_us.store(300_000, Ordering::SeqCst);
    assert_eq!(clock.tick(), None);
    assert!(clock.go_on().is_some());
    is_about(clock.running_us(), 300);
    is_about(
        clock.monotonic_us() - clock.left_out_us.load(Ordering::SeqCst),
        300,
    );
}

#[test]
fn a_short_commit_costs_no_time() {
    let clock = clock_at(100_000);
    clock.stand();
    assert_eq!(clock.go_on(), None);
    is_about(clock.running_us(), 100);
    assert_eq!(clock.left_out_us.load(Ordering::SeqCst), 0);
}

/// Threads read it while it is paused, stalled and ticked; none sees it go back.
#[test]
fn it_never_goes_backward() {
    let clock = clock_at(0);
    let until = Duration::from_millis(400);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while clock.origin.elapsed() < until {
                    let now = clock.running_us();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        scope.spawn(|| {
            while clock.origin.elapsed() < until {
                clock.stand();
                clock.tick();
                clock.go_on();
            }
        });
    });
    assert!(clock.running_us() >= 300_000);
}
