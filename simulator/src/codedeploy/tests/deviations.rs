//! Deployments that don't go well, and what becomes of them.

use super::super::model::{Status, Work};
use super::*;

/// After a rollback from wherever the deployment was: all as before it.
fn assert_rolled_back(bench: &mut Bench, d: usize) {
    let rollback = bench.holdings.deployments.len() - 1;
    assert_ne!(rollback, d, "there is no rollback");
    assert_eq!(bench.d(d).rolled_back_by.as_ref(), Some(&bench.d(rollback).id));
    assert_eq!(bench.d(rollback).rolls_back.as_ref(), Some(&bench.d(d).id));
    assert_eq!(bench.d(rollback).status, Status::Created);
    assert_eq!(bench.d(rollback).config.name, "CodeDeployDefault.ECSAllAtOnce");
    let ended = bench.d(d).status;
    bench.until(rollback, |d| d.status == Status::InProgress);
    bench.until_ended(rollback);
    assert_eq!(bench.d(rollback).status, Status::Succeeded);
    assert_eq!(bench.d(d).status, ended, "the original's status stays");
    assert_eq!((bench.production(), bench.test()), ([100, 0], [1, 0]));
    assert_eq!(bench.set_status(BLUE), "PRIMARY");
    if bench.service.sets.len() > 1 {
        assert_eq!((bench.set_status(GREEN), bench.service.sets[1].desired), ("DRAINING", 0));
    }
    assert_eq!(bench.holdings.deployments.len(), rollback + 1, "a rollback makes no rollback");
    assert!(bench.d(d).task_sets.is_some());
}

fn assert_not_rolled_back(bench: &mut Bench, d: usize) {
    let (production, sets) = (bench.production(), bench.service.sets.len());
    bench.pass(10 * MINUTE);
    assert_eq!(bench.holdings.deployments.len(), d + 1);
    assert_eq!((bench.d(d).rolled_back_by.as_ref(), bench.production()), (None, production));
    assert!(bench.service.sets.iter().all(|set| set.status != "DRAINING"));
    assert_eq!(bench.service.sets.len(), sets);
}

#[test]
fn a_function_that_fails_fails_the_deployment() {
    let mut bench = bench();
    bench.hooks = "Hooks: [{BeforeAllowTraffic: check}]\n".into();
    bench.function("check", "Failed", 5);
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "HOOK_EXECUTION_FAILURE"));
    assert!(bench.message(d).contains("validation functions failed"));
    bench.assert_failed_at(d, "BeforeAllowTraffic");
    assert_eq!(bench.d(d).target_status(), "Failed");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn a_silent_function_fails_the_deployment_after_an_hour() {
    let mut bench = bench();
    bench.hooks = "Hooks: [{AfterAllowTestTraffic: check}]\n".into();
    bench.function("check", "", 0);
    let d = bench.create();
    bench.until_event(d, "AfterAllowTestTraffic");
    let called = bench.now;
    bench.until_ended(d);
    assert_eq!(bench.now.since(called), 60 * MINUTE);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "HOOK_EXECUTION_FAILURE"));
    assert!(bench.message(d).contains("status callback"));
    bench.assert_failed_at(d, "AfterAllowTestTraffic");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn a_callback_is_heard_before_the_hour_is_over() {
    let mut bench = bench();
    bench.hooks = "Hooks: [{AfterAllowTestTraffic: check}]\n".into();
    bench.function("check", "", 0);
    let d = bench.create();
    bench.until_event(d, "AfterAllowTestTraffic");
    bench.pass(30 * MINUTE);
    let now = bench.now;
    let Phase::Event { work: Work::Hook { answer, .. }, .. } = &mut bench.holdings.deployments[d].phase
    else {
        panic!()
    };
    *answer = Some((now, true));
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Succeeded);
}

#[test]
fn a_function_that_is_not_there_fails_the_deployment() {
    let mut bench = bench();
    bench.hooks = "Hooks: [{AfterInstall: nowhere}]\n".into();
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!(bench.code(d), "HOOK_EXECUTION_FAILURE");
    bench.assert_failed_at(d, "AfterInstall");
}

#[test]
fn nothing_is_rolled_back_at_before_install() {
    let mut bench = bench();
    bench.hooks = "Hooks: [{BeforeInstall: check}]\n".into();
    bench.function("check", "Failed", 1);
    let d = bench.create();
    bench.until_ended(d);
    bench.assert_failed_at(d, "BeforeInstall");
    assert_not_rolled_back(&mut bench, d);
}

#[test]
fn a_green_that_never_gets_healthy_fails_after_an_hour() {
    let mut bench = bench();
    bench.service.healthy = false;
    let d = bench.create();
    bench.until_event(d, "Install");
    let installed = bench.now;
    bench.until_ended(d);
    assert!(bench.now.since(installed) >= 60 * MINUTE && bench.now.since(installed) < 61 * MINUTE);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "TIMEOUT"));
    assert!(bench.message(d).ends_with("This time out period is 60 minutes."));
    bench.assert_failed_at(d, "Install");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn the_code_and_the_hour_of_an_unhealthy_green_are_what_the_world_says() {
    let mut bench = bench();
    bench.service.healthy = false;
    bench.truths.unhealthy_code = "ECS_UPDATE_ERROR".into();
    bench.truths.install_limit_minutes = 4;
    bench.group.rollback.enabled = false;
    let d = bench.create();
    bench.until_event(d, "Install");
    let installed = bench.now;
    bench.until_ended(d);
    assert!(bench.now.since(installed) < 5 * MINUTE);
    assert_eq!(bench.code(d), "ECS_UPDATE_ERROR");
    assert_not_rolled_back(&mut bench, d);
    assert_eq!(bench.set_status(GREEN), "ACTIVE");
}

#[test]
fn what_ecs_refuses_fails_the_deployment_with_its_words() {
    let mut bench = bench();
    bench.service.refusal = Some("The container web does not exist in the task definition.".into());
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "ECS_UPDATE_ERROR"));
    assert!(bench.message(d).contains("does not exist in the task definition"));
    bench.assert_failed_at(d, "Install");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn an_alarm_in_the_shift_stops_the_deployment_and_gives_production_back() {
    let mut bench = bench();
    bench.group.alarms = watching("5xx");
    bench.alarm("5xx", "OK");
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    bench.pass(MINUTE);
    assert_eq!(bench.production(), [90, 10]);
    bench.alarm("5xx", "ALARM");
    let tripped = bench.now;
    bench.until_ended(d);
    let after = bench.now.since(tripped);
    assert!((15..=25).contains(&after.as_secs()), "{after:?}");
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Stopped, "ALARM_ACTIVE"));
    assert!(bench.message(d).ends_with("Activated alarms: <5xx>"));
    bench.assert_failed_at(d, "AllowTraffic");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn an_alarm_in_the_termination_wait_still_takes_green_back() {
    let mut bench = bench();
    bench.group.alarms = watching("5xx");
    bench.alarm("5xx", "OK");
    let d = bench.create();
    bench.until_termination_wait(d);
    bench.alarm("5xx", "ALARM");
    bench.until_ended(d);
    assert_eq!(bench.code(d), "ALARM_ACTIVE");
    assert!(bench.event_status(d).iter().all(|(_, status)| *status == EventStatus::Succeeded));
    assert_rolled_back(&mut bench, d);
}

#[test]
fn an_alarm_that_is_active_from_the_start_leaves_nothing_to_roll_back() {
    let mut bench = bench();
    bench.group.alarms = watching("5xx");
    bench.alarm("5xx", "ALARM");
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Stopped, "ALARM_ACTIVE"));
    bench.assert_failed_at(d, "BeforeInstall");
    assert_not_rolled_back(&mut bench, d);
}

#[test]
fn only_the_configured_events_roll_back() {
    let mut bench = bench();
    bench.group.alarms = watching("5xx");
    bench.group.rollback.events.retain(|event| event != "DEPLOYMENT_STOP_ON_ALARM");
    bench.alarm("5xx", "OK");
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    bench.alarm("5xx", "ALARM");
    bench.until_ended(d);
    assert_not_rolled_back(&mut bench, d);
    assert_eq!(bench.production(), [90, 10], "the traffic stays split");
    assert_eq!((bench.set_status(BLUE), bench.set_status(GREEN)), ("PRIMARY", "ACTIVE"));
}

#[test]
fn alarms_that_are_not_enabled_are_not_watched() {
    let mut bench = bench();
    bench.group.alarms = Alarms { enabled: false, ..watching("5xx") };
    bench.alarm("5xx", "ALARM");
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Succeeded);
}

#[test]
fn an_alarm_that_cannot_be_asked_stops_unless_told_otherwise() {
    for (ignore, status) in [(false, Status::Stopped), (true, Status::Succeeded)] {
        let mut bench = bench();
        bench.group.alarms = Alarms { ignore_poll_failure: ignore, ..watching("gone") };
        let d = bench.create();
        bench.until_ended(d);
        assert_eq!(bench.d(d).status, status);
    }
}

#[test]
fn a_stop_with_rollback_gives_production_back() {
    let mut bench = bench();
    bench.group.rollback.enabled = false;
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    bench.stop(d, Some(true));
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Stopped, "MANUAL_STOP"));
    bench.assert_failed_at(d, "AllowTraffic");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn a_stop_without_rollback_leaves_the_traffic_split() {
    let mut bench = bench();
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    bench.stop(d, Some(false));
    bench.until_ended(d);
    assert_not_rolled_back(&mut bench, d);
    assert_eq!(bench.production(), [90, 10]);
}

#[test]
fn a_stop_that_says_nothing_does_as_the_group_does() {
    for events in [vec!["DEPLOYMENT_STOP_ON_REQUEST".to_owned()], vec!["DEPLOYMENT_FAILURE".to_owned()]] {
        let mut bench = bench();
        let rolls_back = events[0] == "DEPLOYMENT_STOP_ON_REQUEST";
        bench.group.rollback.events = events;
        let d = bench.create();
        bench.until_event(d, "AllowTraffic");
        bench.stop(d, None);
        bench.until_ended(d);
        if rolls_back {
            assert_rolled_back(&mut bench, d);
        } else {
            assert_not_rolled_back(&mut bench, d);
        }
    }
}

#[test]
fn a_stop_in_the_install_fails_it() {
    let mut bench = bench();
    bench.service.healthy = false;
    let d = bench.create();
    bench.until_event(d, "Install");
    bench.stop(d, Some(true));
    bench.until_ended(d);
    bench.assert_failed_at(d, "Install");
    assert_rolled_back(&mut bench, d);
}

#[test]
fn a_stop_before_the_start_skips_everything() {
    let mut bench = bench();
    let d = bench.create();
    bench.stop(d, Some(true));
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Stopped);
    assert!(bench.event_status(d).iter().all(|(_, status)| *status == EventStatus::Skipped));
    assert_not_rolled_back(&mut bench, d);
}

#[test]
fn a_stop_in_the_termination_wait_brings_blue_back() {
    let mut bench = bench();
    let d = bench.create();
    bench.until_termination_wait(d);
    assert_eq!(bench.production(), [0, 100]);
    bench.stop(d, Some(true));
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Stopped);
    assert_rolled_back(&mut bench, d);
}

#[test]
fn without_blue_there_is_no_rollback() {
    let mut bench = bench();
    let d = bench.create();
    bench.until_termination_wait(d);
    bench.service.sets.retain(|set| set.id != BLUE);
    bench.stop(d, Some(true));
    bench.until_ended(d);
    assert_not_rolled_back(&mut bench, d);
    assert_eq!(bench.production(), [0, 100]);
}

#[test]
fn the_ready_wait_runs_out() {
    let mut bench = bench();
    bench.group.ready = Ready { stop: true, minutes: 10 };
    let d = bench.create();
    bench.until(d, |d| d.status == Status::Ready);
    let ready = bench.now;
    bench.until_ended(d);
    assert_eq!(bench.now.since(ready), 10 * MINUTE);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Stopped, "TIMEOUT"));
    assert!(bench.message(d).ends_with("notification to continue. This time out period is 10 minutes."));
    let skipped: Vec<_> = bench.event_status(d).into_iter().filter(|e| e.1 == EventStatus::Skipped).collect();
    assert_eq!(
        skipped.iter().map(|e| e.0).collect::<Vec<_>>(),
        ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"]
    );
    assert_rolled_back(&mut bench, d);
}

#[test]
fn the_ready_wait_rolls_back_as_a_stop_on_request_does() {
    let mut bench = bench();
    bench.group.ready = Ready { stop: true, minutes: 10 };
    bench.group.rollback.events.retain(|event| event != "DEPLOYMENT_STOP_ON_REQUEST");
    let d = bench.create();
    bench.until_ended(d);
    assert_not_rolled_back(&mut bench, d);
    assert_eq!((bench.production(), bench.test()), ([100, 0], [0, 100]));
}

#[test]
fn a_listener_without_the_primary_group_cannot_be_updated() {
    for listener in [PRODUCTION, TEST] {
        let mut bench = bench();
        *bench.service.listeners.get_mut(listener).unwrap() = vec![(group_arn("other"), 1)];
        let d = bench.create();
        bench.until_ended(d);
        assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "ELASTIC_LOAD_BALANCING_INVALID"));
        assert_eq!(
            bench.message(d),
            "The ELB could not be updated due to the following error: Primary taskset target group must be behind listener"
        );
    }
}

#[test]
fn the_test_listener_may_start_on_the_idle_group() {
    let mut bench = bench();
    *bench.service.listeners.get_mut(TEST).unwrap() = vec![(group_arn("two"), 1)];
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!(bench.d(d).status, Status::Succeeded);
}

#[test]
fn a_service_without_a_primary_task_set_cannot_be_deployed_to() {
    let mut bench = bench();
    bench.service.sets.clear();
    let d = bench.create();
    bench.until_ended(d);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "INVALID_ECS_SERVICE"));
}

#[test]
fn a_green_that_loses_its_tasks_in_the_shift_fails_after_five_minutes() {
    let mut bench = bench();
    bench.shape = Shape::Canary { percentage: 10, minutes: 30 };
    let d = bench.create();
    bench.until_event(d, "AllowTraffic");
    bench.service.sets[1].steady = false;
    bench.pass(4 * MINUTE);
    bench.service.sets[1].steady = true;
    bench.pass(MINUTE);
    bench.service.sets[1].steady = false;
    bench.step();
    let unsteady = bench.now;
    bench.until_ended(d);
    assert_eq!(bench.now.since(unsteady), 5 * MINUTE);
    assert_eq!((bench.d(d).status, bench.code(d)), (Status::Failed, "ECS_UPDATE_ERROR"));
    assert_rolled_back(&mut bench, d);
}

#[test]
fn what_an_earlier_deployment_left_is_cleared_away_by_the_next() {
    let mut bench = bench();
    let first = bench.create();
    bench.until_event(first, "AllowTraffic");
    bench.stop(first, Some(false));
    bench.until_ended(first);
    assert_eq!(bench.production(), [90, 10]);
    let second = bench.create();
    bench.until_event(second, "AfterInstall");
    assert_eq!((bench.production(), bench.set_status(GREEN)), ([100, 0], "DRAINING"));
    bench.until_ended(second);
    assert_eq!((bench.d(second).status, bench.production()), (Status::Succeeded, [0, 100]));
}
