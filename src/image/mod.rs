//! The image: built and pushed, or found by its tag or its URI; in the end a digest.

pub mod words;
