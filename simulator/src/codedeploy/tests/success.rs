//! Deployments that go well.

use super::super::model::Status;
use super::*;

#[test]
fn a_deployment_goes_through_every_phase_in_order() {
    let mut bench = bench();
    let d = bench.create();
    let created = bench.now;
    bench.step();
    assert_eq!((bench.d(d).status, bench.d(d).target_status()), (Status::Created, "Pending"));
    assert!(bench.event_status(d).iter().all(|(_, status)| *status == EventStatus::Pending));

    bench.until_event(d, "BeforeInstall");
    assert_eq!(bench.now.since(created), Duration::from_secs(3));
    assert_eq!((bench.d(d).status, bench.d(d).target_status()), (Status::InProgress, "InProgress"));
    assert_eq!(bench.service.sets.len(), 1);

    bench.service.healthy = false;
    bench.until_event(d, "Install");
    bench.pass(2 * MINUTE);
    bench.until_event(d, "Install");
    assert_eq!((bench.set_status(BLUE), bench.set_status(GREEN)), ("PRIMARY", "ACTIVE"));
    assert_eq!(bench.service.sets[1].target_group, group_arn("two"));
    assert_eq!((bench.production(), bench.test()), ([100, 0], [1, 0]));

    bench.service.sets[1].steady = true;
    bench.until_event(d, "AllowTestTraffic");
    assert_eq!((bench.production(), bench.test()), ([100, 0], [0, 100]));
    bench.until_event(d, "AllowTraffic");
    assert_eq!((bench.production(), bench.d(d).status), ([90, 10], Status::InProgress));
    assert_eq!(bench.set_status(BLUE), "PRIMARY");
    bench.until_event(d, "AfterAllowTraffic");
    assert_eq!(bench.production(), [0, 100]);
    assert_eq!((bench.set_status(BLUE), bench.set_status(GREEN)), ("ACTIVE", "PRIMARY"));

    bench.until_termination_wait(d);
    assert_eq!((bench.d(d).status, bench.d(d).target_status()), (Status::InProgress, "Succeeded"));
    assert!(bench.event_status(d).iter().all(|(_, status)| *status == EventStatus::Succeeded));
    assert_eq!(bench.service.sets[0].desired, 2);
    let wait = bench.now;
    bench.until_ended(d);
    assert_eq!(bench.now.since(wait), 5 * MINUTE);
    assert_eq!((bench.d(d).status, bench.d(d).target_status()), (Status::Succeeded, "Succeeded"));
    assert_eq!(bench.set_status(BLUE), "DRAINING");
    assert_eq!((bench.production(), bench.test()), ([0, 100], [0, 100]));
    assert!(bench.d(d).ended_real_ms.is_some());
    let shown = bench.d(d).task_sets.clone().unwrap();
    let shown: Vec<_> = shown.iter().map(|s| (s.label, s.status.as_str(), s.weight)).collect();
    assert_eq!(shown, [("Blue", "ACTIVE", 0.0), ("Green", "PRIMARY", 100.0)]);
}

#[test]
fn events_without_a_function_take_a_moment_each() {
    let mut bench = bench();
    let d = bench.create();
    bench.until_ended(d);
    for event in bench.d(d).events.iter().filter(|e| e.name.contains("fter") || e.name.contains("efore")) {
        let took = event.ended.unwrap().since(event.started.unwrap());
        assert!((200..=700).contains(&took.as_millis()), "{} took {took:?}", event.name);
    }
}

#[test]
fn without_a_test_listener_both_test_events_are_absent() {
    let mut bench = bench();
    bench.group.test_listener = None;
    let d = bench.create();
    bench.until_ended(d);
    let names: Vec<_> = bench.d(d).events.iter().map(|e| e.name).collect();
    let six = [
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ];
    assert_eq!(names, six);
    assert_eq!((bench.d(d).status, bench.test()), (Status::Succeeded, [1, 0]));
}

/// When, in seconds from the first step, green had how many per cent.
fn shape_of(shape: Shape) -> Vec<(u64, u32)> {
    let mut bench = bench();
    bench.shape = shape;
    let d = bench.create();
    bench.until_ended(d);
    let steps: Vec<_> = bench.d(d).weights.iter().filter(|(_, percent)| *percent > 0).collect();
    let started = bench.d(d).events.iter().find(|e| e.name == "AllowTraffic").unwrap().started.unwrap();
    steps.iter().map(|(at, percent)| (at.since(started).as_secs(), *percent)).collect()
}

#[test]
fn all_at_once_shifts_all_at_once() {
    assert_eq!(shape_of(Shape::AllAtOnce), [(0, 100)]);
}

#[test]
fn a_canary_waits_between_its_two_steps() {
    assert_eq!(shape_of(Shape::Canary { percentage: 10, minutes: 15 }), [(0, 10), (900, 100)]);
}

#[test]
fn a_linear_shift_takes_nine_intervals_for_ten_steps() {
    let steps = shape_of(Shape::Linear { percentage: 10, minutes: 1 });
    assert_eq!(steps, (1..=10).map(|n| (60 * (n - 1), n as u32 * 10)).collect::<Vec<_>>());
}

#[test]
fn the_shift_ends_right_after_its_last_step() {
    let mut bench = bench();
    bench.shape = Shape::Linear { percentage: 50, minutes: 3 };
    let d = bench.create();
    bench.until_ended(d);
    let event = bench.d(d).events.iter().find(|e| e.name == "AllowTraffic").unwrap();
    assert_eq!(event.ended.unwrap().since(event.started.unwrap()), Duration::from_millis(180_700));
}

#[test]
fn the_ready_wait_holds_production_back_until_somebody_continues() {
    let mut bench = bench();
    bench.group.ready = Ready { stop: true, minutes: 10 };
    let d = bench.create();
    bench.until(d, |d| d.status == Status::Ready);
    assert_eq!(bench.d(d).target_status(), "Ready");
    let pending: Vec<_> = bench.event_status(d).into_iter().filter(|e| e.1 == EventStatus::Pending).collect();
    assert_eq!(pending.len(), 3);
    assert_eq!(pending[0].0, "BeforeAllowTraffic");
    assert_eq!((bench.production(), bench.test()), ([100, 0], [0, 100]));
    bench.pass(9 * MINUTE);
    assert_eq!(bench.d(d).status, Status::Ready);

    let Phase::Ready { go, .. } = &mut bench.holdings.deployments[d].phase else { panic!() };
    *go = true;
    bench.until_event(d, "BeforeAllowTraffic");
    assert_eq!(bench.d(d).status, Status::InProgress);
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Succeeded);
}

#[test]
fn without_a_termination_wait_blue_drains_at_once() {
    let mut bench = bench();
    bench.group.termination_minutes = 0;
    let d = bench.create();
    bench.until_event(d, "AfterAllowTraffic");
    let end = bench.now;
    bench.until_ended(d);
    assert!(bench.now.since(end) < Duration::from_secs(1));
    assert_eq!(bench.set_status(BLUE), "DRAINING");
}

#[test]
fn green_takes_primary_with_the_first_step_where_that_is_the_truth() {
    let mut bench = bench();
    bench.truths.primary_at_end_of_shift = false;
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    assert_eq!((bench.production(), bench.set_status(GREEN)), ([90, 10], "PRIMARY"));
}

#[test]
fn the_pair_swaps_with_every_deployment() {
    let mut bench = bench();
    let first = bench.create();
    bench.until_ended(first);
    let second = bench.create();
    bench.until_event(second, "AllowTraffic");
    assert_eq!(bench.service.sets[2].target_group, group_arn("one"));
    assert_eq!((bench.production(), bench.test()), ([10, 90], [100, 0]));
    bench.until_ended(second);
    assert_eq!((bench.production(), bench.set_status(GREEN)), ([100, 0], "DRAINING"));
    assert_eq!(bench.d(second).previous_revision.as_ref(), Some(&bench.d(first).revision));
}

#[test]
fn functions_are_waited_for() {
    let mut bench = bench();
    bench.hooks =
        "Hooks:\n  - AfterInstall: arn:aws:lambda:r:1:function:check:live\n  - AfterAllowTraffic: check\n"
            .into();
    bench.function("check", "Succeeded", 90);
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Succeeded);
    let took: Vec<_> = bench
        .d(d)
        .events
        .iter()
        .filter(|e| e.hook.is_some())
        .map(|e| (e.name, e.ended.unwrap().since(e.started.unwrap()).as_secs()))
        .collect();
    assert_eq!(took, [("AfterInstall", 90), ("AfterAllowTraffic", 90)]);
}
