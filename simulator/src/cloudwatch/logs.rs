//! Log groups and their streams: what containers and clients write, bounded.

use crate::{Time, state::State as World};
use std::collections::{BTreeMap, VecDeque};

/// The events that a stream keeps; older ones are dropped.
const KEPT: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Logs {
    /// By account and name.
    pub(super) groups: BTreeMap<(String, String), Group>,
    written: u64,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) arn: String,
    pub(super) created: Time,
    pub(super) streams: BTreeMap<String, Stream>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) created: Time,
    pub(super) events: VecDeque<Event>,
    /// How many have been dropped: the place of the first that is kept.
    pub(super) dropped: usize,
    pub(super) bytes: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Unique, and rising with the writing.
    pub(super) id: u64,
    pub(super) at: Time,
    pub(super) ingested: Time,
    pub(super) message: String,
}

/// One line of a container's output.
pub(crate) fn log(world: &mut World, account: &str, group: &str, stream: &str, line: String) {
    let now = world.now;
    let Some(region) = world.cloudwatch.regions.get(account).cloned() else { return };
    let logs = &mut world.cloudwatch.logs;
    logs.create(account, &region, group, now);
    logs.write(account, group, stream, now, now, line);
}

impl Logs {
    /// Makes a group; false when it is there already.
    pub(super) fn create(&mut self, account: &str, region: &str, group: &str, now: Time) -> bool {
        let key = (account.to_owned(), group.to_owned());
        let new = !self.groups.contains_key(&key);
        if new {
            let arn = format!("arn:aws:logs:{region}:{account}:log-group:{group}");
            self.groups.insert(key, Group { arn, created: now, streams: BTreeMap::new() });
        }
        new
    }

    /// Appends to a stream, which is made when it isn't there.
    pub(super) fn write(
        &mut self,
        account: &str,
        group: &str,
        stream: &str,
        at: Time,
        now: Time,
        message: String,
    ) {
        let Some(group) = self.groups.get_mut(&(account.to_owned(), group.to_owned())) else { return };
        self.written += 1;
        let event = Event { id: self.written, at, ingested: now, message };
        match group.streams.get_mut(stream) {
            Some(stream) => stream.push(event),
            None => {
                let mut new = Stream::new(now);
                new.push(event);
                group.streams.insert(stream.to_owned(), new);
            }
        }
    }
}

impl Stream {
    pub(super) fn new(now: Time) -> Stream {
        Stream { created: now, events: VecDeque::new(), dropped: 0, bytes: 0 }
    }

    fn push(&mut self, event: Event) {
        if self.events.len() == KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.dropped += 1;
            self.bytes -= size(&oldest);
        }
        self.bytes += size(&event);
        self.events.push_back(event);
    }
}

/// As the service counts an event's size.
pub(super) fn size(event: &Event) -> usize {
    event.message.len() + 26
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_bounded() {
        let mut logs = Logs::default();
        assert!(logs.create("1", "eu-central-1", "/app", Time(0)));
        assert!(!logs.create("1", "eu-central-1", "/app", Time(0)));
        for line in 0..KEPT + 5 {
            logs.write("1", "/app", "a/b/c", Time(0), Time(0), format!("{line:06}"));
        }
        let stream = &logs.groups[&("1".to_owned(), "/app".to_owned())].streams["a/b/c"];
        assert_eq!((stream.events.len(), stream.dropped), (KEPT, 5));
        assert_eq!(stream.events[0].message, "000005");
        assert_eq!(stream.bytes, KEPT * 32);
    }
}
