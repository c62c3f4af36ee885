//! The JSON that other programs rely on, and what pages answer in its place.
