//! Measures how the library's sources read, and refuses words that the field does not use.
//!
//! `cargo xtask words` prints the figures; the step `words` of `cargo xtask ci` holds them to their bounds.

mod circles;
mod list;
pub(crate) mod sources;

use std::collections::BTreeMap;
use std::path::Path;

use crate::context::Context;
use crate::steps::Done;
use sources::{doc_comments, function_lines, library, type_names};

/// Of a hundred doc comments so many may open with a question word.
const MAX_QUESTIONS_PERCENT: usize = 3;
/// Names of types that may be defined in more than one module.
const MAX_SHARED_TYPES: usize = 5;

/// The figures.
#[derive(Debug)]
struct Figures {
    doc_comments: usize,
    /// `file: first line` of those that open with a question word.
    questions: Vec<String>,
    /// Each type that has several definitions, with its modules.
    shared_types: Vec<String>,
    /// `file:line: word` of each old word.
    old_words: Vec<String>,
    /// Files that import each other in a circle.
    circles: Vec<Vec<String>>,
    /// Lines of the functions, ascending.
    functions: Vec<usize>,
    long_files: Vec<String>,
}

/// Prints the figures; whether they are within their bounds.
///
/// # Errors
///
/// If a source cannot be read or parsed.
pub(crate) fn run() -> Result<bool, String> {
    let context = Context::read()?;
    let figures = Figures::read(&context)?;
    println!("{}", figures.table());
    let broken = figures.broken();
    println!("{}", broken.join("\n"));
    Ok(broken.is_empty())
}

/// The step of `ci`.
pub(crate) fn step(context: &Context) -> Result<Done, String> {
    let figures = Figures::read(context)?;
    match figures.broken() {
        broken if broken.is_empty() => Ok(Done::default()),
        broken => Err(format!("{}\n{}", figures.table(), broken.join("\n"))),
    }
}

impl Figures {
    fn read(context: &Context) -> Result<Self, String> {
        let sources = library(&context.root)?;
        let texts = list::texts(&context.root)?;
        let code = texts.iter().filter(|(file, _)| is_rust(file));
        let docs = code.flat_map(|(file, text)| {
            doc_comments(text)
                .into_iter()
                .map(move |first| (file, first))
        });
        let docs: Vec<_> = docs.collect();
        let questions = docs.iter().filter(|(_, first)| list::is_question(first));
        let questions = questions.map(|(file, first)| format!("{file}: {first}"));
        let mut functions: Vec<usize> = sources.iter().flat_map(function_lines).collect();
        functions.sort_unstable();
        let long = sources.iter().filter(|source| source.lines() > 400);
        Ok(Self {
            doc_comments: docs.len(),
            questions: questions.collect(),
            shared_types: shared(sources.iter().flat_map(type_names)),
            old_words: texts
                .iter()
                .flat_map(|(file, text)| list::in_text(file, text))
                .collect(),
            circles: circles::of(&sources),
            functions,
            long_files: long
                .map(|source| format!("{} ({})", source.name, source.lines()))
                .collect(),
        })
    }

    /// The figures, a line each.
    fn table(&self) -> String {
        let tenths = 1000 * self.questions.len() / self.doc_comments.max(1);
        let (percent, tenth) = (tenths / 10, tenths % 10);
        [
            format!(
                "doc comments that open with a question word: {} of {} ({percent}.{tenth} %, at most {MAX_QUESTIONS_PERCENT} %)",
                self.questions.len(),
                self.doc_comments
            ),
            format!(
                "types defined in more than one module: {} (at most {MAX_SHARED_TYPES}): {}",
                self.shared_types.len(),
                self.shared_types.join("; ")
            ),
            format!("old words: {}", self.old_words.len()),
            format!("circles of files: {}", self.circles.len()),
            format!(
                "functions: {}, median {} lines, 90 % at most {}",
                self.functions.len(),
                quantile(&self.functions, 50),
                quantile(&self.functions, 90)
            ),
            format!("files of more than 400 lines: {}", self.long_files.join(", ")),
        ]
        .join("\n")
    }

    /// Lists the figures that are out of bounds, each with its place.
    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.questions.len() * 100 > self.doc_comments * MAX_QUESTIONS_PERCENT {
            broken.push(
                "doc comments open with a verb in the third person, or with a noun:".to_owned(),
            );
            broken.extend(self.questions.iter().cloned());
        }
        if self.shared_types.len() > MAX_SHARED_TYPES {
            broken.push("a type's name stands for one thing".to_owned());
        }
        broken.extend(self.old_words.iter().cloned());
        for circle in &self.circles {
            broken.push(format!(
                "these files import each other in a circle: {}",
                circle.join(" → ")
            ));
        }
        broken
    }
}

fn is_rust(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

fn shared(names: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, module) in names {
        modules.entry(name).or_default().push(module);
    }
    let shared = modules.into_iter().filter(|(_, modules)| modules.len() > 1);
    shared
        .map(|(name, modules)| format!("{name} ({})", modules.join(", ")))
        .collect()
}

fn quantile(sorted: &[usize], percent: usize) -> usize {
    let at = (sorted.len().saturating_sub(1)) * percent / 100;
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_modules_are_shared() {
        let names = [("A", "x"), ("B", "x"), ("A", "y")];
        let names = names.map(|(name, module)| (name.to_owned(), module.to_owned()));
        assert_eq!(shared(names.into_iter()), ["A (x, y)"]);
    }

    #[test]
    fn quantiles_are_of_what_is_there() {
        assert_eq!(quantile(&[], 50), 0);
        assert_eq!(quantile(&[1, 2, 9], 50), 2);
        assert_eq!(quantile(&[1, 2, 9], 100), 9);
    }
}
