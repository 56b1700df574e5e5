//! Requests at a steady rate, on green and on blue side by side. They leave by the clock: a slow
//! server doesn't slow the sending, and what waits for a connection waits as a user would.

use super::{
    Ended, Scene, Verdict,
    ask::Asker,
    figures::{self, Figures, Sample},
};
use crate::{event::Event, request::LoadCheck, say::checks as say};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

/// In a world that runs faster more requests leave in a second, so that as many are sent in all;
/// but no more than this, for it is one machine.
const FAST: f64 = 100.0;

pub(super) async fn check(check: &LoadCheck, scene: &Scene<'_>) -> Ended {
    let limit = say::load_limit(check);
    let failed = |measured: String| Ended {
        verdict: Verdict::Failed(say::load_failed(scene.moment, check, std::slice::from_ref(&measured))),
        measured,
        limit: limit.clone(),
    };
    let Some(green) = scene.green_url else { return failed(say::NOTHING.to_owned()) };
    let blue = scene.blue_url.filter(|_| check.asks_blue());
    let time = scene.within(check.time);
    let what = say::load_name(check);
    scene.context.report.tell(Event::Waiting { what, remaining: Some(scene.context.pace.world(time)) });
    let rate = f64::from(check.rate);
    let rate = (rate * scene.context.pace.speed).min(rate.max(FAST));
    let (green, blue) = tokio::join!(send(green, check, rate, time), async {
        match blue {
            Some(blue) => Some(send(blue, check, rate, time).await),
            None => None,
        }
    });
    let (green, blue) = match (green, blue.transpose()) {
        (Ok(green), Ok(blue)) => (green, blue),
        (Err(why), _) | (_, Err(why)) => return failed(why),
    };
    let measured = say::load_measured(&green, blue.as_ref());
    let verdict = match figures::judge(check, &green, blue.as_ref()) {
        figures::Judgement::Kept => Verdict::Passed,
        figures::Judgement::Broken(limits) => Verdict::Failed(say::load_failed(scene.moment, check, &limits)),
        figures::Judgement::TooFew { side, answers } => {
            Verdict::Inconclusive(say::load_inconclusive(check, side, answers))
        }
    };
    Ended { verdict, measured, limit }
}

/// One side under load, until every request is answered or given up.
async fn send(base: &str, check: &LoadCheck, rate: f64, time: Duration) -> Result<Figures, String> {
    let asker = Arc::new(Asker::new(base, &check.ask).await?);
    let connections = Arc::new(Semaphore::new(check.connections as usize));
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    // What we ourselves are late with isn't made up for by a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = Instant::now() + time;
    let mut requests = JoinSet::new();
    while timeout_at(end, ticks.tick()).await.is_ok() {
        let (asker, connections, patience) = (asker.clone(), connections.clone(), check.ask.timeout);
        requests.spawn(async move {
            let asked = Instant::now();
            let answer = async {
                // It is never closed.
                let _connection = connections.acquire().await;
                asker.once(patience).await
            };
            let answer = timeout_at(asked + patience, answer).await;
            let well = matches!(answer, Ok(Ok(answer)) if (200..400).contains(&answer.status));
            Sample { took: asked.elapsed().min(patience), well }
        });
    }
    Ok(Figures::of(requests.join_all().await))
}
