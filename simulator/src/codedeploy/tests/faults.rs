//! The faults of the world that are played here.

use super::super::model::Status;
use super::super::stranger::{self, Seen};
use super::*;

#[test]
fn hook_fails_between_the_tests_and_production() {
    for (test_listener, event) in [(Some(TEST.into()), "AfterAllowTestTraffic"), (None, "BeforeAllowTraffic")]
    {
        let mut bench = bench();
        bench.faults.insert(Fault::HookFails);
        bench.function("fails", "Failed", 2);
        bench.group.test_listener = test_listener;
        let d = bench.create();
        bench.until_ended(d);
        assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "HOOK_EXECUTION_FAILURE"));
        bench.assert_failed_at(d, event);
        assert!(bench.d(d).rolled_back_by.is_some());
    }
}

#[test]
fn somebody_else_stops_a_lasting_shift() {
    let mut bench = bench();
    bench.faults.insert(Fault::StoppedOutside);
    bench.group.ready = Ready { stop: true, minutes: 10 };
    bench.group.rollback.enabled = false;
    let d = bench.create();
    bench.until(d, |d| d.status == Status::Ready);
    bench.pass(MINUTE);
    assert_eq!(bench.d(d).status, Status::Ready);
    let Phase::Ready { go, .. } = &mut bench.holdings.deployments[d].phase else { panic!() };
    *go = true;
    bench.until_ended(d);
    bench.assert_failed_at(d, "AllowTraffic");
    assert_eq!((bench.d(d).status, bench.production()), (Status::Stopped, [90, 10]));
    let rollback = d + 1;
    bench.until_ended(rollback);
    assert_eq!((bench.d(rollback).status, bench.production()), (Status::Succeeded, [100, 0]));
}

#[test]
fn somebody_else_stops_the_ready_wait_of_an_instant_shift() {
    let mut bench = bench();
    bench.faults.insert(Fault::StoppedOutside);
    bench.shape = Shape::AllAtOnce;
    bench.group.ready = Ready { stop: true, minutes: 10 };
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Stopped, "MANUAL_STOP"));
    assert!(bench.d(d).rolled_back_by.is_some());
    assert_eq!(bench.production(), [100, 0]);
}

#[test]
fn somebody_else_stops_an_instant_shift_that_nothing_precedes() {
    let mut bench = bench();
    bench.faults.insert(Fault::StoppedOutside);
    bench.shape = Shape::AllAtOnce;
    let d = bench.create();
    bench.until_ended(d);
    bench.assert_failed_at(d, "AllowTraffic");
    assert!(bench.d(d).rolled_back_by.is_some());
}

/// A stranger's deployment in its termination wait.
fn with_stranger() -> (Bench, usize) {
    let mut bench = bench();
    bench.shape = Shape::AllAtOnce;
    let d = bench.create();
    bench.holdings.deployments[d].stranger = Some(Seen::default());
    bench.service.sets[0].steady = false;
    bench.pass(5 * MINUTE);
    assert_eq!(bench.d(d).status, Status::Created, "it waits for the service's first tasks");
    bench.service.sets[0].steady = true;
    bench.until_termination_wait(d);
    (bench, d)
}

#[test]
fn a_stranger_stays_until_somebody_waits_behind_it() {
    let (mut bench, d) = with_stranger();
    bench.pass(100 * MINUTE);
    assert_eq!(bench.d(d).status, Status::InProgress);
    stranger::looked_at(&mut bench.holdings.deployments[d], bench.now);
    bench.pass(100 * MINUTE);
    assert_eq!(bench.d(d).status, Status::InProgress, "a single look is nobody waiting");
    stranger::looked_at(&mut bench.holdings.deployments[d], bench.now);
    let waiting = bench.now;
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.now.since(waiting)), (Status::Succeeded, 2 * MINUTE));
}

#[test]
fn a_stranger_ends_two_minutes_after_it_stood_in_the_way() {
    let (mut bench, d) = with_stranger();
    stranger::stood_in_the_way(&mut bench.holdings.deployments[d], bench.now);
    let refused = bench.now;
    bench.pass(MINUTE);
    stranger::stood_in_the_way(&mut bench.holdings.deployments[d], bench.now);
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.now.since(refused)), (Status::Succeeded, 2 * MINUTE));
}
