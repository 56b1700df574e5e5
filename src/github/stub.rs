//! GitHub on a socket, for tests: answers as it is told to, and remembers what it was asked.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub authorization: String,
    pub host: String,
    pub body: Value,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub struct Stub {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Answer {
    pub fn of(status: u16, body: Value) -> Answer {
        Answer { status, headers: Vec::new(), body: body.to_string() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// What GitHub says to a token that may not.
    pub fn denied() -> Answer {
        Answer::of(403, json!({ "message": "Resource not accessible by integration", "status": "403" }))
    }
}

impl Request {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Stub {
    pub async fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (answer, seen) = (Arc::new(answer), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, answer.clone(), seen.clone()));
            }
        });
        Stub { url, requests, task }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection<A: Fn(&Request) -> Answer>(
    socket: TcpStream,
    answer: Arc<A>,
    seen: Arc<Mutex<Vec<Request>>>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (mut length, mut authorization, mut host) = (0, String::new(), String::new());
        loop {
            let mut header = String::new();
            socket.read_line(&mut header).await?;
            match header.trim().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    authorization = value.to_owned();
                }
                Some((name, value)) if name.eq_ignore_ascii_case("host") => host = value.to_owned(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let request = Request { method, path, authorization, host, body };
        let Answer { status, headers, body } = answer(&request);
        seen.lock().unwrap().push(request);
        // No status: the connection is gone before there is an answer.
        if status == 0 {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
    }
}
