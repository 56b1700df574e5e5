//! Listeners under load, with throw-away servers as their targets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::{Options, World, spec::WorldSpec};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

const ACCOUNT: &str = "222222222222";

/// A world with one listener and two groups.
struct Bench {
    world: Arc<World>,
    url: String,
    listener: String,
    blue: String,
    green: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What a client got.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn by_balancer(&self) -> bool {
        self.headers.get("server").is_some_and(|s| s == "awselb/2.0")
    }
}

async fn bench() -> Bench {
    bench_at(20.0).await
}

async fn bench_at(speed: f64) -> Bench {
    let spec: WorldSpec = serde_json::from_value(json!({
        "regions": ["eu-central-1"],
        "caller": { "account": ACCOUNT, "user": "ci" },
        "accounts": [{
            "id": ACCOUNT,
            "region": "eu-central-1",
            "users": [{ "name": "ci" }],
            "target-groups": [
                { "name": "blue", "health-check-path": "/health", "interval-seconds": 5 },
                { "name": "green", "health-check-path": "/health", "interval-seconds": 5 },
            ],
            "load-balancers": [{
                "name": "front",
                "listeners": [{
                    "name": "production",
                    "forward": [{ "target-group": "blue", "weight": 100 }],
                }],
            }],
        }],
    }))
    .unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        speed,
        faults: Vec::new(),
        docker: false,
        canary: None,
    };
    let world = World::start(spec, options).await.unwrap();
    let (listener, blue, green) = {
        let state = world.lock();
        (
            listener_arn(&state, ACCOUNT, "production").unwrap(),
            target_group_arn(&state, ACCOUNT, "blue").unwrap(),
            target_group_arn(&state, ACCOUNT, "green").unwrap(),
        )
    };
    let url = world.endpoints().listeners[&(ACCOUNT.to_owned(), "production".to_owned())].clone();
    let client = Client::builder(TokioExecutor::new()).build_http();
    Bench { world, url, listener, blue, green, client }
}

impl Bench {
    fn weigh(&self, blue: u32, green: u32) {
        let weights = [(self.blue.clone(), blue), (self.green.clone(), green)];
        self.world.change(|state| set_weights(state, &self.listener, &weights)).unwrap();
    }

    fn register(&self, group: &str, address: SocketAddr) -> Target {
        let target = Target {
            id: format!("10.0.0.{}", address.port() % 250),
            port: address.port(),
            address,
            task_set: group.rsplit('/').nth(1).unwrap().to_owned(),
        };
        self.world.change(|state| register_target(state, group, target.clone()));
        target
    }

    async fn get(&self, path: &str) -> Got {
        send(&self.client, format!("{}{path}", self.url)).await.unwrap()
    }

    fn state_of(&self, group: &str, target: &Target) -> Option<String> {
        health(&self.world.lock(), group, &target.id, target.port)
    }

    async fn until(&self, condition: impl Fn(&crate::state::State) -> bool) {
        let limit = tokio::time::Instant::now() + Duration::from_secs(120);
        while !condition(&self.world.lock()) {
            assert!(tokio::time::Instant::now() < limit, "the world didn't get there");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_health(&self, group: &str, target: &Target, wanted: &str) {
        self.until(|state| health(state, group, &target.id, target.port).as_deref() == Some(wanted)).await;
    }
}

async fn send(client: &Client<HttpConnector, Full<Bytes>>, url: String) -> anyhow::Result<Got> {
    let answer = client.request(Request::get(url).body(Full::default())?).await?;
    let (head, body) = answer.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    Ok(Got { status: head.status, headers: head.headers, body })
}

/// A target that answers with its name, and its health as told.
async fn target(name: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let health = Arc::new(AtomicUsize::new(200));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = health.clone();
    let check = move || {
        let status = u16::try_from(told.load(Ordering::Relaxed)).unwrap();
        std::future::ready(StatusCode::from_u16(status).unwrap())
    };
    let app = axum::Router::new()
        .route("/health", axum::routing::get(check))
        .route("/headers", axum::routing::get(|headers: HeaderMap| async move { format!("{headers:?}") }))
        .route("/echo", axum::routing::post(|body: Bytes| std::future::ready(body)))
        .route("/broken", axum::routing::get(|| std::future::ready(StatusCode::SERVICE_UNAVAILABLE)))
        .route(
            "/slow",
            axum::routing::get(move || async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                name
            }),
        )
        .fallback(move || std::future::ready(name));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, health)
}

/// A target that treats every connection as told, which gets the connection once it has read
/// something.
async fn raw<F, R>(treat: F) -> SocketAddr
where
    F: Fn(tokio::net::TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            tokio::spawn(treat(stream));
        }
    });
    address
}

#[tokio::test]
async fn weights_are_exact() {
    let bench = bench().await;
    let (blue, _) = target("blue").await;
    let (green, _) = target("green").await;
    bench.register(&bench.blue, blue);
    bench.register(&bench.green, green);
    for (weight, expected) in [(10, 10), (33, 33), (0, 0), (100, 100)] {
        bench.weigh(100 - weight, weight);
        let mut greens = 0;
        for _ in 0..100 {
            greens += u32::from(bench.get("/").await.body == "green");
        }
        assert_eq!(greens, expected);
    }
    let snapshot = snapshot(&bench.world.lock());
    let requests = &snapshot["listeners"][0]["requests"];
    assert_eq!(requests["total"], 400);
    assert_eq!(requests["by_task_set"]["green"]["2xx"], 143);
    assert_eq!(requests["by_balancer"], json!({}));
}

#[tokio::test]
async fn targets_of_a_group_take_turns_and_unhealthy_ones_get_nothing() {
    let bench = bench().await;
    let (first, told) = target("first").await;
    let (second, _) = target("second").await;
    let first = bench.register(&bench.blue, first);
    let second = bench.register(&bench.blue, second);
    bench.until_health(&bench.blue, &first, "healthy").await;
    bench.until_health(&bench.blue, &second, "healthy").await;
    let mut firsts = 0;
    for _ in 0..20 {
        firsts += u32::from(bench.get("/").await.body == "first");
    }
    assert_eq!(firsts, 10);

    told.store(500, Ordering::Relaxed);
    bench.until_health(&bench.blue, &first, "unhealthy").await;
    for _ in 0..20 {
        assert_eq!(bench.get("/").await.body, "second");
    }
}

#[tokio::test]
async fn nothing_is_lost_while_weights_and_targets_change() {
    let bench = Arc::new(bench().await);
    let mut blues = Vec::new();
    for _ in 0..2 {
        blues.push(bench.register(&bench.blue, target("blue").await.0));
    }
    let going = Arc::new(AtomicBool::new(true));
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (going, bench) = (going.clone(), bench.clone());
        clients.spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let mut done = 0;
            while going.load(Ordering::Relaxed) {
                let got = send(&client, format!("{}/", bench.url)).await.unwrap();
                assert_eq!(got.status, StatusCode::OK, "after {done}: {}", got.body);
                done += 1;
            }
            done
        });
    }
    for round in 0..30 {
        let greens: Vec<Target> = [target("green").await.0, target("green").await.0]
            .map(|a| bench.register(&bench.green, a))
            .into();
        for green in (0..=100).step_by(20) {
            bench.weigh(100 - green, green);
            tokio::task::yield_now().await;
        }
        let before = count(&bench);
        bench.until(|state| count_of(state) > before + 20).await;
        // Blue changes while it is out of the rotation, then takes everything back.
        let gone = blues.remove(0);
        bench.world.change(|state| deregister_target(state, &bench.blue, &gone.id, gone.port));
        bench.until(|state| drained(state, &bench.blue, &gone.id, gone.port)).await;
        blues.push(bench.register(&bench.blue, target("blue").await.0));
        bench.weigh(100, 0);
        for gone in greens {
            bench.world.change(|state| deregister_target(state, &bench.green, &gone.id, gone.port));
            bench.until(|state| drained(state, &bench.green, &gone.id, gone.port)).await;
        }
        assert!(round < 30);
    }
    going.store(false, Ordering::Relaxed);
    let mut sent = 0;
    while let Some(done) = clients.join_next().await {
        sent += done.unwrap();
    }
    let snapshot = snapshot(&bench.world.lock());
    let requests = &snapshot["listeners"][0]["requests"];
    assert_eq!(requests["total"], sent);
    assert_eq!(requests["by_balancer"], json!({}));
    assert!(snapshot["targets"].as_array().unwrap().iter().all(|t| t["requests_under_way"] == 0));
}

fn count(bench: &Bench) -> u64 {
    count_of(&bench.world.lock())
}

fn count_of(state: &crate::state::State) -> u64 {
    snapshot(state)["listeners"][0]["requests"]["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_target_in_its_drain_ends_what_it_has_and_gets_nothing_new() {
    let bench = Arc::new(bench().await);
    let old = bench.register(&bench.blue, target("old").await.0);
    let slow = {
        let bench = bench.clone();
        tokio::spawn(async move { bench.get("/slow").await })
    };
    bench.until(|state| snapshot(state)["targets"][0]["requests_under_way"] == 1).await;
    bench.register(&bench.blue, target("new").await.0);
    bench.world.change(|state| deregister_target(state, &bench.blue, &old.id, old.port));
    assert_eq!(bench.state_of(&bench.blue, &old).as_deref(), Some("draining"));
    for _ in 0..5 {
        assert_eq!(bench.get("/").await.body, "new");
    }
    assert!(!drained(&bench.world.lock(), &bench.blue, &old.id, old.port));
    assert_eq!(slow.await.unwrap().body, "old");
    bench.until(|state| drained(state, &bench.blue, &old.id, old.port)).await;
}

#[tokio::test]
async fn a_group_without_a_healthy_target_fails_open() {
    let bench = bench().await;
    let (address, told) = target("blue").await;
    told.store(404, Ordering::Relaxed);
    let blue = bench.register(&bench.blue, address);
    bench.until_health(&bench.blue, &blue, "unhealthy").await;
    let report = bench.world.lock().elb.target(&bench.blue, &blue.id, blue.port).unwrap().health.clone();
    assert_eq!(report, Health::Unhealthy(health::Failure::Status(404)));
    assert_eq!(bench.get("/").await.body, "blue");
    told.store(200, Ordering::Relaxed);
    bench.until_health(&bench.blue, &blue, "healthy").await;
}

#[tokio::test]
async fn the_balancer_says_itself_that_nobody_answered() {
    let bench = bench().await;
    let got = bench.get("/").await;
    assert_eq!((got.status, got.by_balancer()), (StatusCode::SERVICE_UNAVAILABLE, true));

    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let reset = raw(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    let nonsense =
        raw(|mut stream| async move { stream.write_all(b"no such thing\r\n\r\n").await.unwrap() }).await;
    for address in [refused, reset, nonsense] {
        let target = bench.register(&bench.blue, address);
        let got = bench.get("/").await;
        assert_eq!((got.status, got.by_balancer()), (StatusCode::BAD_GATEWAY, true), "{address}");
        bench.world.change(|state| deregister_target(state, &bench.blue, &target.id, target.port));
    }

    bench.world.lock().elb.listeners.get_mut(&*bench.listener).unwrap().idle_timeout =
        Duration::from_millis(50);
    let silent = raw(|mut stream| async move { drop(stream.read(&mut [0; 1]).await) }).await;
    let silent = bench.register(&bench.blue, silent);
    let got = bench.get("/").await;
    assert_eq!((got.status, got.by_balancer()), (StatusCode::GATEWAY_TIMEOUT, true));
    bench.world.change(|state| deregister_target(state, &bench.blue, &silent.id, silent.port));

    // The app's own 503 is told from the balancer's.
    bench.register(&bench.blue, target("blue").await.0);
    let got = bench.get("/broken").await;
    assert_eq!((got.status, got.by_balancer()), (StatusCode::SERVICE_UNAVAILABLE, false));
    let requests = &snapshot(&bench.world.lock())["listeners"][0]["requests"];
    assert_eq!(requests["by_balancer"], json!({ "502": 3, "503": 1, "504": 1 }));
    assert_eq!(requests["by_task_set"], json!({ "blue": { "5xx": 1 } }));
}

#[tokio::test]
async fn a_client_that_goes_away_holds_nothing() {
    let bench = bench().await;
    let silent = raw(|mut stream| async move { drop(stream.read(&mut [0; 1]).await) }).await;
    bench.register(&bench.blue, silent);
    let mut client = tokio::net::TcpStream::connect(bench.url.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    bench.until(|state| snapshot(state)["targets"][0]["requests_under_way"] == 1).await;
    drop(client);
    bench.until(|state| snapshot(state)["targets"][0]["requests_under_way"] == 0).await;
    assert_eq!(snapshot(&bench.world.lock())["listeners"][0]["requests"]["by_balancer"], json!({ "460": 1 }));
}

#[tokio::test]
async fn headers_and_bodies_pass_as_they_should() {
    let bench = bench().await;
    bench.register(&bench.blue, target("blue").await.0);
    let request = Request::get(format!("{}/headers", bench.url))
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("x-kept", "1")
        .header("x-forwarded-for", "192.0.2.1")
        .body(Full::default())
        .unwrap();
    let answer = bench.client.request(request).await.unwrap();
    let seen = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(!seen.contains("x-secret") && seen.contains("x-kept"), "{seen}");
    assert!(seen.contains(r#""x-forwarded-for": "192.0.2.1, 127.0.0.1""#), "{seen}");
    assert!(seen.contains(r#""x-forwarded-proto": "http""#), "{seen}");
    assert!(seen.contains(r#""x-amzn-trace-id": "Root=1-"#), "{seen}");
    assert!(seen.contains(&format!(r#""host": "{}""#, bench.url.trim_start_matches("http://"))), "{seen}");

    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let request = Request::post(format!("{}/echo", bench.url)).body(Full::from(large.clone())).unwrap();
    let answer = bench.client.request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), large);
}

#[tokio::test]
async fn health_goes_from_initial_to_healthy_or_unused() {
    let bench = bench().await;
    let (address, _) = target("blue").await;
    let blue = bench.register(&bench.blue, address);
    assert_eq!(bench.state_of(&bench.blue, &blue).as_deref(), Some("initial"));
    let green = bench.register(&bench.green, address);
    assert_eq!(bench.state_of(&bench.green, &green).as_deref(), Some("unused"));
    bench.until_health(&bench.blue, &blue, "healthy").await;
    // A weight of nought still puts the group behind the listener, and so its checks begin.
    bench.weigh(100, 0);
    assert_eq!(bench.state_of(&bench.green, &green).as_deref(), Some("initial"));
    bench.until_health(&bench.green, &green, "healthy").await;
}

#[tokio::test]
async fn a_target_that_is_not_there_yet_boots_in_real_time() {
    let bench = bench_at(600.0).await;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let blue = bench.register(&bench.blue, nobody);
    // Far more checks than the threshold fail, yet it is given its time on the wall.
    bench
        .until(|state| {
            let target = state.elb.target(&bench.blue, &blue.id, blue.port).unwrap();
            target.streak > 5
        })
        .await;
    assert_eq!(bench.state_of(&bench.blue, &blue).as_deref(), Some("initial"));
}
