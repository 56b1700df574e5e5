//! A running world: its state, its clock, its servers and what runs its containers.

use crate::{
    Fault, autoscaling,
    clock::Clock,
    cloudwatch, codedeploy, conductor, ecr, ecs, elb,
    engine::Engine,
    faults::{Calls, Holds},
    front, github, iam, snapshot,
    spec::WorldSpec,
    state::State,
};
use anyhow::Result;
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How a world is run, as opposed to what it is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the AWS endpoint listens; port 0 takes a free one.
    pub listen: SocketAddr,
    pub speed: f64,
    pub faults: Vec<Fault>,
    /// Run the tasks' containers with Docker; otherwise with in-process stand-ins.
    pub docker: bool,
    /// A word that is put into every secret that the world mints.
    pub canary: Option<String>,
}

/// The addresses that a started world listens on.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The base URL of all AWS services, without a slash at its end.
    pub aws: String,
    /// GitHub's API, and its OIDC issuer below it.
    pub github: String,
    /// The registry host of each account: `127.0.0.1:PORT`.
    pub registries: BTreeMap<String, String>,
    /// The URL of each listener: (account, listener's name) → URL.
    pub listeners: BTreeMap<(String, String), String>,
}

pub struct World {
    spec: WorldSpec,
    state: Mutex<State>,
    clock: Clock,
    engine: Engine,
    endpoints: Endpoints,
    changed: Notify,
    holds: Holds,
    stop: CancellationToken,
}

impl World {
    /// Builds the world, binds its sockets and starts its conductor. Services start their tasks
    /// at `begin`, so that the images that they run can be put into the registries before.
    pub async fn start(spec: WorldSpec, options: Options) -> Result<Arc<World>> {
        let clock = Clock::new(options.speed);
        let engine = Engine::connect(options.docker).await?;
        let aws = front::Server::bind(options.listen).await?;
        let github_server = github::Server::bind().await?;
        let registries = ecr::Registries::bind(&spec).await?;
        let sockets = elb::Sockets::bind(&spec).await?;
        let endpoints = Endpoints {
            aws: aws.url(),
            github: github_server.url(),
            registries: registries.hosts(),
            listeners: sockets.urls(),
        };
        let mut state = State {
            now: clock.now(),
            truths: spec.truths.clone(),
            faults: options.faults.iter().copied().collect(),
            calls: Calls::of(&spec.call_faults),
            regions: spec.regions.clone(),
            iam: iam::State::of(&spec, options.canary.as_deref())?,
            ecr: ecr::State::of(&spec, &endpoints, clock.now(), options.canary.as_deref())?,
            ecs: ecs::State::default(),
            elb: elb::State::of(&spec, &sockets),
            cloudwatch: cloudwatch::State::of(&spec),
            autoscaling: autoscaling::State::of(&spec),
            codedeploy: codedeploy::State::default(),
            github: github::State::of(&spec, &endpoints, clock.now(), options.canary.as_deref()),
            front: front::State::default(),
        };
        // These two look up what the others hold, so they come last.
        ecs::populate(&mut state, &spec, &endpoints, &options)?;
        codedeploy::populate(&mut state, &spec)?;

        let world = Arc::new(World {
            spec,
            state: Mutex::new(state),
            clock,
            engine,
            endpoints,
            changed: Notify::new(),
            holds: Holds::default(),
            stop: CancellationToken::new(),
        });
        aws.serve(&world);
        github_server.serve(&world);
        registries.serve(&world);
        sockets.serve(&world);
        world.spawn(conductor::conduct(world.clone()));
        Ok(world)
    }

    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub fn speed(&self) -> f64 {
        self.clock.speed()
    }

    /// The world as JSON, as `GET /_world` answers it.
    pub fn snapshot(&self) -> serde_json::Value {
        snapshot::of(&self.lock())
    }

    /// What GitHub was asked and what it answered, as `GET /_github` tells it.
    pub fn github_exchanges(&self) -> serde_json::Value {
        github::exchanges(&self.lock())
    }

    /// The environment of a job in this world, ready to export: the caller's keys, the endpoints,
    /// GitHub's variables (those that name files are the harness's own to add).
    pub fn job_environment(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let mut environment = vec![
            ("AWS_ENDPOINT_URL".to_owned(), self.endpoints.aws.clone()),
            ("GREENLIGHT_SPEED".to_owned(), self.clock.speed().to_string()),
        ];
        environment.extend(iam::caller_environment(&state, &self.spec));
        environment.extend(github::job_environment(&state));
        environment
    }

    /// The payload of the event that started the job, as a runner writes it to GITHUB_EVENT_PATH.
    pub fn event_payload(&self) -> serde_json::Value {
        github::event_payload(&self.lock())
    }

    /// The host, user and password with which the images of the start are pushed into an account's
    /// registry; permissions don't apply to them.
    pub fn seed_login(&self, account: &str) -> Option<(String, String, String)> {
        ecr::seed_login(&mut self.lock(), account)
    }

    /// Puts an image of one layer into a repository: what runs when there is no engine.
    pub fn seed_image(
        &self,
        account: &str,
        repository: &str,
        tag: &str,
        config: serde_json::Value,
    ) -> Result<String> {
        ecr::put_small_image(&mut self.lock(), account, repository, tag, config)
            .map_err(|e| anyhow::anyhow!("{}: {}", e.code, e.message))
    }

    /// Lets the services of the start run.
    pub fn begin(&self) {
        self.change(|state| {
            state.ecs.begun = true;
            state.calls.begin();
        });
    }

    /// Waits until every service has its tasks running and healthy, or says which hasn't.
    pub async fn settled(&self, limit: std::time::Duration) -> Result<()> {
        ecs::settled(self, limit).await
    }

    /// Stops the servers and removes what the world started.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        let registries: Vec<&str> = self.endpoints.registries.values().map(String::as_str).collect();
        self.engine.clean_up(&registries).await;
        ecr::clean_up(&self.lock());
    }

    /// Takes the lock and stamps the time.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.now = self.clock.now();
        state
    }

    /// Changes the state and wakes the conductor.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.lock());
        self.changed.notify_one();
        answer
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn spec(&self) -> &WorldSpec {
        &self.spec
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The calls that are held.
    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// One waiter only: the conductor.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Runs a future until it ends or the world shuts down.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = future => {}
            }
        });
    }
}
