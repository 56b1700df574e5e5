//! A deployment as Mermaid diagrams, which GitHub draws: who had the traffic over time, and the
//! lifecycle. The colours are seen on a light page and on a dark one.

use super::deployment::revision;
use crate::report::history::{Deployment, History};
use std::{fmt::Write, time::Duration};

/// Points of a line: enough for a step to look like one.
const POINTS: u32 = 90;
const BARS: usize = 40;
const NAME: usize = 40;
/// Of less there is nothing to see.
const SHORTEST: Duration = Duration::from_secs(1);
const GREY: &str = "#848d97";

/// Shares of production traffic. None while nothing has changed.
pub fn traffic(history: &History) -> Option<String> {
    let (first, end) = (history.traffic.first()?, end(history)?);
    let span = end.checked_sub(first.at).filter(|span| *span >= SHORTEST)?;
    if history.traffic.len() < 2 {
        return None;
    }
    // The last step is to be seen.
    let span = span + span / 30;
    let (unit, length) = match span.as_secs_f64() {
        seconds if seconds < 180.0 => ("seconds", seconds),
        seconds => ("minutes", seconds / 60.0),
    };
    let mut lines = [String::new(), String::new()];
    for point in 0..=POINTS {
        let at = first.at + span * point / POINTS;
        let shift = history.traffic.iter().rev().find(|shift| shift.at <= at).unwrap_or(first);
        for (line, share) in lines.iter_mut().zip([shift.blue, shift.green]) {
            let gap = if point == 0 { "" } else { "," };
            let _ = write!(line, "{gap}{}", (share * 10.0).round() / 10.0);
        }
    }
    let outcome = history.outcome.as_deref();
    let new = outcome.and_then(|o| o.task_definition.as_deref());
    let new = new.or(history.task_definition.as_ref().map(|definition| definition.arn.as_str()));
    let old = outcome.and_then(|o| o.previous_task_definition.as_deref());
    let named = |side: &str, arn: Option<&str>| match arn {
        Some(arn) => format!("{side} {}", safe(revision(arn), ":-_.")),
        None => side.to_owned(),
    };
    let axis = |name: &str| {
        ["LabelColor", "TitleColor", "LineColor", "TickColor"]
            .map(|part| format!("      {name}{part}: \"{GREY}\"\n"))
            .concat()
    };
    Some(format!(
        "```mermaid\n---\nconfig:\n  xyChart:\n    width: 800\n    height: 260\n    titleFontSize: 14\n    xAxis:\n      \
         labelFontSize: 12\n    yAxis:\n      labelFontSize: 12\n  themeVariables:\n    xyChart:\n      \
         plotColorPalette: \"#388bfd, #3fb950\"\n      backgroundColor: \"#00000000\"\n      titleColor: \
         \"{GREY}\"\n{}{}---\nxychart-beta\n  title \"Percent of production traffic over {unit}: {}, {}\"\n  x-axis 0 \
         --> {length:.1}\n  y-axis 0 --> 100\n  line [{}]\n  line [{}]\n```\n\n",
        axis("xAxis"),
        axis("yAxis"),
        named("blue", old),
        named("green", new),
        lines[0],
        lines[1],
    ))
}

/// The lifecycle events of the deployment and of what took it back, on one axis of time.
pub fn lifecycle(history: &History) -> Option<String> {
    let began = history.deployments.first()?.began;
    let end = end(history).filter(|end| end.saturating_sub(began) >= SHORTEST)?;
    let mut sections = String::new();
    for (at, deployment) in history.deployments.iter().enumerate() {
        let bars = bars(deployment, began, end);
        if !bars.is_empty() {
            let name = if at == 0 { "Deployment" } else { "Rollback" };
            let _ = write!(sections, "  section {name}\n{bars}");
        }
    }
    if sections.is_empty() {
        return None;
    }
    let (format, tick) = match end.saturating_sub(began).as_secs() {
        0..=120 => ("%M:%S", "15second"),
        121..=600 => ("%M:%S", "1minute"),
        601..=3600 => ("%M:%S", "10minute"),
        _ => ("%H:%M", "1hour"),
    };
    let colours = [
        ("titleColor", GREY),
        ("textColor", GREY),
        ("taskTextOutsideColor", GREY),
        ("sectionBkgColor", "#00000000"),
        ("sectionBkgColor2", "#00000000"),
        ("altSectionBkgColor", "#00000000"),
        ("taskTextColor", "#ffffff"),
        ("taskTextLightColor", "#ffffff"),
        ("taskTextDarkColor", "#ffffff"),
        // Going on, ended well, ended badly.
        ("taskBkgColor", "#1f6feb"),
        ("taskBorderColor", "#1f6feb"),
        ("doneTaskBkgColor", "#238636"),
        ("doneTaskBorderColor", "#238636"),
        ("critBkgColor", "#da3633"),
        ("critBorderColor", "#da3633"),
    ];
    let colours = colours.map(|(name, colour)| format!("    {name}: \"{colour}\"\n")).concat();
    Some(format!(
        "```mermaid\n---\nconfig:\n  theme: base\n  themeVariables:\n    fontFamily: sans-serif\n{colours}  gantt:\n    \
         leftPadding: 90\n    barHeight: 18\n    fontSize: 11\n    sectionFontSize: 12\n---\ngantt\n  dateFormat x\n  \
         axisFormat {format}\n  tickInterval {tick}\n  todayMarker off\n{sections}```\n\n"
    ))
}

fn bars(deployment: &Deployment, began: Duration, end: Duration) -> String {
    let mut bars = String::new();
    // What was skipped took no time.
    let events = deployment.lifecycle.iter().filter(|event| event.status != "Skipped");
    for event in events.take(BARS) {
        let Some(start) = event.began else { continue };
        let kind = match event.status.as_str() {
            "Succeeded" => "done, ",
            "Failed" | "Unknown" => "crit, ",
            _ => "",
        };
        let after = |at: Duration| at.saturating_sub(began).as_millis();
        // A bar needs a width to be seen.
        let narrowest = (after(end) / 150).max(1);
        let until = after(event.ended.unwrap_or(end)).max(after(start) + narrowest);
        let name = safe(&event.name, "");
        let _ = writeln!(bars, "  {name} :{kind}{}, {until}", after(start));
    }
    bars
}

/// The last moment that is known of.
fn end(history: &History) -> Option<Duration> {
    let events = history.deployments.iter().flat_map(|deployment| &deployment.lifecycle);
    let events = events.flat_map(|event| [event.began, event.ended]).flatten();
    events.chain(history.traffic.iter().map(|shift| shift.at)).chain(history.ended).max()
}

/// A word that is nothing to Mermaid.
fn safe(text: &str, further: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || further.contains(*c);
    text.chars().filter(fine).take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn history(events: impl IntoIterator<Item = (u64, Event)>) -> History {
        let mut history = History::default();
        for (at, event) in events {
            history.take(&event, Duration::from_secs(at));
        }
        history
    }

    fn lifecycle_event(name: &str, status: &str) -> Event {
        Event::Lifecycle { deployment: "d-1".into(), name: name.into(), status: status.into() }
    }

    fn diagram(text: &str) -> String {
        text.split("---\n").nth(2).unwrap().trim_end().to_owned()
    }

    #[test]
    fn traffic_is_steps_over_time() {
        let shift = |blue: f64| Event::Traffic { blue, green: 100.0 - blue };
        let one = history([(5, shift(100.0))]);
        assert_eq!(traffic(&one), None);
        let steps = history([(5, shift(100.0)), (305, shift(90.0)), (605, shift(0.0))]);
        let text = diagram(&traffic(&steps).unwrap());
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1], "title \"Percent of production traffic over minutes: blue, green\"");
        assert_eq!(lines[2], "x-axis 0 --> 10.3");
        let points = |line: &str| -> Vec<String> {
            let line = line.trim_start_matches("line [").trim_end_matches(['`', '\n', ']']);
            line.split(',').map(str::to_owned).collect()
        };
        let blue = points(lines[4]);
        assert_eq!(
            (blue.len(), &*blue[0], &*blue[43], &*blue[44], &*blue[90]),
            (91, "100", "100", "90", "0")
        );
        assert_eq!(points(lines[5])[90], "100");
    }

    #[test]
    fn the_lifecycle_is_bars_and_no_name_is_a_command() {
        let events = [
            (10, lifecycle_event("Install", "InProgress")),
            (50, lifecycle_event("Install", "Succeeded")),
            (50, lifecycle_event("After\n  click x href \"http://x\"", "InProgress")),
            (60, lifecycle_event("Allow", "InProgress")),
            (70, lifecycle_event("Allow", "Failed")),
        ];
        insta::assert_snapshot!(diagram(&lifecycle(&history(events)).unwrap()), @r"
        gantt
          dateFormat x
          axisFormat %M:%S
          tickInterval 15second
          todayMarker off
          section Deployment
          Install :done, 0, 40000
          Afterclickxhrefhttpx :40000, 60000
          Allow :crit, 50000, 60000
        ```
        ");
        assert_eq!(lifecycle(&History::default()), None);
    }
}
