//! The only program of an image: a shell that knows three words.

use std::{env, process::exit, thread, time::Duration};

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-e", "-c", "report"] => {
            println!("green is {}", env::var("GREEN_URL").unwrap_or_default());
            eprintln!("and {} of the job", if env::var_os("GITHUB_SHA").is_some() { "all" } else { "nothing" });
        }
        ["-e", "-c", "fail"] => exit(3),
        ["-e", "-c", "hang"] => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        _ => println!("called with {words:?}"),
    }
}
