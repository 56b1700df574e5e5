//! A line for people: words with a tone each. Whoever shows it decides on colours.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Dim,
    Blue,
    Green,
    Good,
    Bad,
    Caution,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    pub fn new() -> Line {
        Line::default()
    }

    pub fn of(text: impl Into<String>) -> Line {
        Line::new().plain(text)
    }

    pub fn with(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.0.push((tone, text.into()));
        self
    }

    pub fn plain(self, text: impl Into<String>) -> Line {
        self.with(Tone::Plain, text)
    }

    pub fn strong(self, text: impl Into<String>) -> Line {
        self.with(Tone::Strong, text)
    }

    pub fn dim(self, text: impl Into<String>) -> Line {
        self.with(Tone::Dim, text)
    }

    /// The word in front of a figure, as wide as the longest of them.
    pub fn label(self, text: &str) -> Line {
        self.with(Tone::Dim, format!("{text:<10} "))
    }

    pub fn spans(&self) -> impl Iterator<Item = (Tone, &str)> {
        self.0.iter().map(|(tone, text)| (*tone, text.as_str()))
    }

    #[cfg(test)]
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }
}
