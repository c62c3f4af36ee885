//! The library's sources, parsed: doc comments, types, functions.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// One file of the library.
pub(crate) struct Source {
    /// Its path below `crates/cloakroom/src`.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

impl Source {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// Returns the first lines of the doc comments in a text.
pub(crate) fn doc_comments(text: &str) -> Vec<&str> {
    let (mut found, mut is_inside) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        let doc = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        if let Some(doc) = doc.filter(|_| !is_inside) {
            found.push(doc.trim());
        }
        is_inside = doc.is_some();
    }
    found
}

/// Reads the library's files, those of its tests aside.
pub(crate) fn library(root: &Path) -> Result<Vec<Source>, String> {
    let folder = root.join("crates/cloakroom/src");
    let mut paths = Vec::new();
    walk(&folder, &mut paths)?;
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let name = path
            .strip_prefix(&folder)
            .unwrap_or(&path)
            .display()
            .to_string();
        if name.contains("tests") || name.starts_with("vectors") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let syntax = syn::parse_file(&text).map_err(|error| format!("{name}: {error}"))?;
        sources.push(Source { name, text, syntax });
    }
    Ok(sources)
}

/// Adds the Rust files below a folder.
pub(crate) fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The types that a file defines at its top level, with the file's name.
pub(crate) fn type_names(source: &Source) -> Vec<(String, String)> {
    let names = source.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Struct(item) => Some(&item.ident),
        syn::Item::Enum(item) => Some(&item.ident),
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::Type(item) => Some(&item.ident),
        _ => None,
    });
    names
        .map(|name| (name.to_string(), source.name.clone()))
        .collect()
}

/// Counts the lines of each function, from its name to its closing brace; tests aside.
pub(crate) fn function_lines(source: &Source) -> Vec<usize> {
    let mut functions = Functions(Vec::new());
    functions.visit_file(&source.syntax);
    functions.0
}

struct Functions(Vec<usize>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (begin, end) = (signature.span().start().line, block.span().end().line);
        self.0.push(end + 1 - begin);
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "a.rs".to_owned(),
            text: text.to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        }
    }

    #[test]
    fn a_doc_comment_is_known_by_its_first_line() {
        let text = "//! One.\n//! More.\n\n/// Two.\nstruct A;\n// None.\n/// Three.\nstruct B;\n";
        assert_eq!(doc_comments(text), ["One.", "Two.", "Three."]);
    }

    #[test]
    fn functions_of_tests_are_not_counted() {
        let source =
            source("fn a() {\n}\nimpl A {\n fn b() {\n\n }\n}\nmod tests {\n fn c() {}\n}\n");
        assert_eq!(function_lines(&source), [2, 3]);
        assert_eq!(type_names(&source), []);
    }
}
