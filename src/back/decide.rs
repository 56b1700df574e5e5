//! Which way production goes back: pure, from what is active, what is live and what is wanted.

use crate::{
    current::{Active, Site},
    marker,
    outcome::Stop,
    say::back as say,
    task_definition::Revision,
};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub enum Way {
    /// Production is on what is wanted, and nothing runs.
    There,
    /// It is on its way back already.
    Follow(Active),
    /// Stops what runs; then goes on to a revision that it doesn't lead to.
    Stop { active: Active, then: Option<Revision> },
    /// A new deployment of an older revision.
    Return(Revision),
    /// The same, of one that is still to be found.
    LastVerified,
}

pub fn way(site: &Site, wanted: Option<Revision>, live: &Revision) -> Result<Way, Stop> {
    let Some(active) = site.active.first() else {
        return Ok(match wanted {
            None => Way::LastVerified,
            Some(wanted) if wanted.arn == live.arn => Way::There,
            Some(wanted) => Way::Return(wanted),
        });
    };
    let taken_back = active.takes_back.as_ref().unwrap_or(&active.id);
    let (blue, green) = (site.blue_of(taken_back), site.green_of(taken_back));
    let is = |arn: Option<&str>| wanted.as_ref().is_some_and(|wanted| arn == Some(&wanted.arn));
    let follows = active.is_rollback || marker::goes_back(&active.description);
    let destination = if active.is_rollback { blue } else { green };
    if follows && (wanted.is_none() || is(destination)) {
        return Ok(Way::Follow(active.clone()));
    }
    if active.is_rollback {
        // Nothing can be started before it has ended, and nothing is won by stopping it.
        return Err(Stop::refused(vec![say::rollback_runs(&active.id)]));
    }
    if is(green) {
        return Err(Stop::refused(vec![say::brings_it_already(&active.id)]));
    }
    let then = wanted.clone().filter(|_| !is(blue));
    Ok(Way::Stop { active: active.clone(), then })
}

impl Way {
    /// What a new deployment brings back.
    pub fn target(&self) -> Option<&Revision> {
        match self {
            Way::Return(revision) | Way::Stop { then: Some(revision), .. } => Some(revision),
            _ => None,
        }
    }

    pub fn stopped(&self) -> Option<&Active> {
        match self {
            Way::Stop { active, .. } => Some(active),
            _ => None,
        }
    }

    pub fn json(&self, live: &Revision) -> Value {
        let (way, deployment) = match self {
            Way::There => ("none", None),
            Way::Follow(active) => ("follow", Some(&active.id)),
            Way::Stop { active, .. } => ("stop", Some(&active.id)),
            Way::Return(_) | Way::LastVerified => ("redeploy", None),
        };
        let to = self.target().map(|revision| &revision.arn);
        json!({ "way": way, "deployment": deployment, "live": live.arn, "to": to })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::current::{Group, Service, TaskSetNow};

    fn revision(arn: &str) -> Revision {
        Revision { arn: arn.into(), ..Revision::default() }
    }

    fn site(active: Option<Active>) -> Site {
        let set = |status: &str, arn: &str, deployment: Option<&str>| TaskSetNow {
            status: status.into(),
            task_definition: arn.into(),
            deployment: deployment.map(str::to_owned),
            target_group: None,
        };
        let service = Service {
            task_sets: vec![set("PRIMARY", "hello:8", Some("d-8")), set("ACTIVE", "hello:9", Some("d-9"))],
            ..Service::default()
        };
        Site { service, group: Group::default(), active: active.into_iter().collect() }
    }

    fn active(id: &str) -> Active {
        Active { id: id.into(), ..Active::default() }
    }

    fn chosen(active: Option<Active>, wanted: Option<&str>) -> String {
        match way(&site(active), wanted.map(revision), &revision("hello:8")) {
            Ok(way) => {
                way.json(&revision("hello:8"))["way"].as_str().unwrap().to_owned()
                    + way.target().map(|t| t.arn.as_str()).unwrap_or_default()
            }
            Err(_) => "refused".into(),
        }
    }

    #[test]
    fn what_runs_is_stopped_and_what_goes_back_is_followed() {
        assert_eq!(chosen(Some(active("d-9")), None), "stop");
        assert_eq!(chosen(Some(active("d-9")), Some("hello:8")), "stop");
        assert_eq!(chosen(Some(active("d-9")), Some("hello:7")), "stophello:7");
        assert_eq!(chosen(Some(active("d-9")), Some("hello:9")), "refused");
        let rollback = Active { is_rollback: true, takes_back: Some("d-9".into()), ..active("d-10") };
        assert_eq!(chosen(Some(rollback.clone()), None), "follow");
        assert_eq!(chosen(Some(rollback.clone()), Some("hello:8")), "follow");
        assert_eq!(chosen(Some(rollback), Some("hello:7")), "refused");
        let back = Active { description: "greenlight repository=a run=1 back".into(), ..active("d-9") };
        assert_eq!(chosen(Some(back.clone()), None), "follow");
        assert_eq!(chosen(Some(back.clone()), Some("hello:9")), "follow");
        assert_eq!(chosen(Some(back), Some("hello:8")), "stop");
    }

    #[test]
    fn when_nothing_runs_a_new_deployment_brings_it_back() {
        assert_eq!(chosen(None, None), "redeploy");
        assert_eq!(chosen(None, Some("hello:7")), "redeployhello:7");
        assert_eq!(chosen(None, Some("hello:8")), "none");
    }
}
