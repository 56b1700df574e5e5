//! A container's program for tests: does what its arguments say, one after the other.

use std::{env, process::exit, thread, time::Duration};

fn main() {
    let mut arguments = env::args().skip(1);
    while let Some(what) = arguments.next() {
        let mut word = || arguments.next().unwrap_or_default();
        match what.as_str() {
            "say" => println!("{}", word()),
            "complain" => eprintln!("{}", word()),
            "tell" => println!("{}", env::var(word()).unwrap_or_else(|_| "not set".into())),
            "where" => println!("{}", env::current_dir().map(|d| d.display().to_string()).unwrap_or_default()),
            "keep" => std::fs::write(word(), "kept").unwrap_or_else(|error| fail(&error)),
            "look" => match std::fs::read_to_string(word()) {
                Ok(text) => println!("{text}"),
                Err(error) => fail(&error),
            },
            "listen" => match std::net::TcpListener::bind(("0.0.0.0", word().parse().unwrap_or(0))) {
                Ok(listener) => drop(thread::spawn(move || listener.incoming().count())),
                Err(error) => fail(&error),
            },
            "reach" => match std::net::TcpStream::connect(("127.0.0.1", word().parse().unwrap_or(0))) {
                Ok(_) => println!("reached"),
                Err(error) => fail(&error),
            },
            "fill" => {
                // An engine begins to look at a container's memory after it has started it: what is
                // killed before that has no reason.
                thread::sleep(Duration::from_secs(1));
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1u8; 1 << 20]);
                }
            }
            "wait" => loop {
                thread::sleep(Duration::from_secs(3600));
            },
            "exit" => exit(word().parse().unwrap_or(2)),
            other => fail(&format!("what is {other}?")),
        }
    }
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    eprintln!("{error}");
    exit(3)
}
