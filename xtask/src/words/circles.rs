//! Files that import each other in a circle, by the library's `use` items and paths.
//!
//! A module's folder is one with its `mod.rs`: children use what their parent holds, and the parent names
//! its children, as Rust's modules are built.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use syn::visit::{self, Visit};

use super::sources::Source;

/// The circles, each as the sorted names of its files.
pub(crate) fn of(sources: &[Source]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Vec<String>, &str> = sources
        .iter()
        .map(|source| (module_of(&source.name), source.name.as_str()))
        .collect();
    let mut graph: DiGraphMap<&str, ()> = DiGraphMap::new();
    for source in sources {
        let own = module_of(&source.name);
        for imported in imports(source, &own) {
            let target = nearest(&imported, &modules);
            // A parent and its children are one room.
            let is_family = |target: &[String]| target.starts_with(&own) || own.starts_with(target);
            if let Some((path, file)) = target
                && !is_family(path)
            {
                graph.add_edge(modules[&own], file, ());
            }
        }
    }
    let circles = tarjan_scc(&graph)
        .into_iter()
        .filter(|circle| circle.len() > 1);
    circles
        .map(|circle| {
            let mut names: Vec<String> = circle.into_iter().map(str::to_owned).collect();
            names.sort();
            names
        })
        .collect()
}

/// `store/redis/mod.rs` is the module `store::redis`.
fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    let parts = path.split('/').filter(|part| *part != "lib");
    parts.map(str::to_owned).collect()
}

/// The deepest module on a path that has a file of its own.
fn nearest<'a>(
    path: &[String],
    modules: &'a BTreeMap<Vec<String>, &'a str>,
) -> Option<(&'a [String], &'a str)> {
    (1..=path.len()).rev().find_map(|length| {
        let (module, file) = modules.get_key_value(&path[..length])?;
        Some((module.as_slice(), *file))
    })
}

/// The paths from the crate's root that a file names.
fn imports(source: &Source, own: &[String]) -> BTreeSet<Vec<String>> {
    let mut paths = Paths {
        own,
        depth: 0,
        found: BTreeSet::new(),
    };
    paths.visit_file(&source.syntax);
    paths.found
}

struct Paths<'a> {
    own: &'a [String],
    /// Number of inline modules around the visited item.
    depth: usize,
    found: BTreeSet<Vec<String>>,
}

impl Paths<'_> {
    /// Adds a path that begins with `crate`, `self` or `super`.
    fn add(&mut self, path: &[String]) {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let base = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self") => self.own.to_vec(),
            Some("super") if supers > self.depth => {
                let up = supers - self.depth;
                self.own[..self.own.len().saturating_sub(up)].to_vec()
            }
            _ => return,
        };
        let rest = path.iter().skip(supers.max(1)).cloned();
        self.found.insert(base.into_iter().chain(rest).collect());
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident == "tests" {
            return;
        }
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // What a parent hands on is its children's.
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.add_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source {
            name: name.to_owned(),
            text: text.to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        }
    }

    #[test]
    fn a_circle_is_found_and_a_chain_is_none() {
        let chain = [
            source("a.rs", "use crate::b::B;"),
            source("b.rs", "use crate::c::{self, C};"),
            source("c.rs", ""),
        ];
        assert!(of(&chain).is_empty());
        let circle = [
            source("a/mod.rs", "mod x; mod y;"),
            source("a/x.rs", "fn f() { super::y::g() }"),
            source("a/y.rs", "use super::x::f;"),
        ];
        assert_eq!(of(&circle), [["a/x.rs", "a/y.rs"]]);
    }

    #[test]
    fn a_parent_and_its_children_are_no_circle() {
        let family = [
            source("a/mod.rs", "mod x; use x::X; use self::x::Y;"),
            source("a/x.rs", "use super::Z;"),
        ];
        assert!(of(&family).is_empty());
    }
}
