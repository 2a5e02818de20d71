//! The source files of the crate and the values of their constant texts.

use std::collections::BTreeMap;
use std::path::Path;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Token, UseTree};

use crate::reader::MAX_BRANCHES;

/// A source file of the crate.
pub(crate) struct SourceFile {
    /// Path relative to the crate's sources.
    pub(crate) path: String,
    /// Parsed content.
    pub(crate) syntax: syn::File,
    module: String,
    /// All constants in the file, including those in functions; constants of the same name are kept together.
    constants: BTreeMap<String, Vec<Expr>>,
    /// Constants of implementations of a trait, and a trait's own values of them, by trait and name.
    associated: BTreeMap<(String, String), Vec<Expr>>,
    /// Module of each imported name.
    imports: BTreeMap<String, String>,
}

/// Names with several possible expressions: the bindings of a loop over a constant list.
pub(crate) type Loops = BTreeMap<String, Vec<Expr>>;

pub(crate) struct Sources(pub(crate) Vec<SourceFile>);

impl Sources {
    /// Reads all files below `root`.
    pub(crate) fn read(root: &Path) -> Self {
        let files = texts_below(root);
        Self(files.into_iter().map(|(path, text)| SourceFile::parse(&path, &text)).collect())
    }

    /// The possible texts of an expression: literals, constants, results of `sql!`, and a trait's constant, which has one text per
    /// implementation; anything else is an error.
    pub(crate) fn texts(&self, file: &SourceFile, loops: &Loops, expr: &Expr) -> Result<Vec<String>, String> {
        match expr {
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Ok(vec![text.value()]),
            Expr::Paren(inner) => self.texts(file, loops, &inner.expr),
            Expr::Group(inner) => self.texts(file, loops, &inner.expr),
            Expr::Macro(call) if call.mac.path.is_ident("sql") || call.mac.path.is_ident("concat") => {
                let parts = call
                    .mac
                    .parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
                    .map_err(|error| error.to_string())?;
                let parts = parts.iter().map(|part| self.text(file, loops, part));
                Ok(vec![parts.collect::<Result<Vec<_>, _>>()?.concat()])
            }
            Expr::Path(path) if path.qself.is_some() => self.associated_texts(&path.path),
            Expr::Path(path) => self.named_texts(file, loops, &path.path),
            _ => Err("it is not a literal, not a constant and not a `sql!` call".to_owned()),
        }
    }

    /// The text of an expression with exactly one value.
    pub(crate) fn text(&self, file: &SourceFile, loops: &Loops, expr: &Expr) -> Result<String, String> {
        let mut texts = self.texts(file, loops, expr)?;
        match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => Ok(text),
            _ => Err("it has several possible strings".to_owned()),
        }
    }

    /// The text of an expression that a builder is given; of several, that of a branch.
    pub(crate) fn text_of_branch(
        &self,
        (file, loops): (&SourceFile, &Loops),
        expr: &Expr,
        branch: usize,
    ) -> Result<String, String> {
        let texts = self.texts(file, loops, expr)?;
        if texts.len() > MAX_BRANCHES {
            return Err("it has more possible strings than MAX_BRANCHES".to_owned());
        }
        let last = texts.len().saturating_sub(1);
        texts.into_iter().nth(branch.min(last)).ok_or_else(|| "it has no value".to_owned())
    }

    /// The constant that a path refers to.
    pub(crate) fn constant<'s>(
        &'s self,
        file: &'s SourceFile,
        path: &syn::Path,
    ) -> Result<(&'s SourceFile, &'s Expr), String> {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let Some((name, modules)) = names.split_last() else { return Err("it has no name".to_owned()) };
        let module = modules.last().or_else(|| file.imports.get(name));
        let candidates: Vec<(&SourceFile, &Expr)> = self
            .0
            .iter()
            .chain(std::iter::once(file))
            .filter(|other| module.map_or(std::ptr::eq(*other, file), |module| other.module == *module))
            .flat_map(|other| other.constants.get(name).into_iter().flatten().map(move |expr| (other, expr)))
            .collect();
        let Some(first) = candidates.first() else { return Err(format!("`{name}` is no constant")) };
        if candidates.iter().any(|(_, expr)| !std::ptr::eq(*expr, first.1)) {
            return Err(format!("there is more than one constant `{name}`"));
        }
        Ok(*first)
    }

    /// The only function of this name that stands in a module, and its file; `None` if there is none or several.
    pub(crate) fn function(&self, name: &str) -> Option<(&SourceFile, &syn::ItemFn)> {
        let items = self.0.iter().flat_map(|file| file.syntax.items.iter().map(move |item| (file, item)));
        let mut named = items.filter_map(|(file, item)| match item {
            syn::Item::Fn(function) if function.sig.ident == name => Some((file, function)),
            _ => None,
        });
        match (named.next(), named.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// The texts of `<T as Trait>::NAME` in all implementations of the trait.
    fn associated_texts(&self, path: &syn::Path) -> Result<Vec<String>, String> {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let [.., class, name] = names.as_slice() else { return Err("it names no trait".to_owned()) };
        let key = (class.clone(), name.clone());
        let mut texts = Vec::new();
        for home in &self.0 {
            for expr in home.associated.get(&key).into_iter().flatten() {
                texts.extend(self.texts(home, &Loops::new(), expr)?);
            }
        }
        if texts.is_empty() { Err(format!("no implementation has `{class}::{name}`")) } else { Ok(texts) }
    }

    fn named_texts(&self, file: &SourceFile, loops: &Loops, path: &syn::Path) -> Result<Vec<String>, String> {
        let looped = path.get_ident().and_then(|name| loops.get(&name.to_string()));
        if let Some(values) = looped {
            return values.iter().map(|value| self.text(file, loops, value)).collect();
        }
        let (home, expr) = self.constant(file, path)?;
        self.texts(home, &Loops::new(), expr)
    }
}

impl SourceFile {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let below = Path::new(path);
        let home = if below.ends_with("mod.rs") { below.parent() } else { Some(below) };
        let module = home.and_then(Path::file_stem).unwrap_or_default().to_string_lossy().into_owned();
        let mut names = Names::default();
        names.visit_file(&syntax);
        let Names { constants, associated, imports } = names;
        Self { path: path.to_owned(), syntax, module, constants, associated, imports }
    }
}

/// The constants and imports of a file, except those of its tests.
#[derive(Default)]
struct Names {
    constants: BTreeMap<String, Vec<Expr>>,
    associated: BTreeMap<(String, String), Vec<Expr>>,
    imports: BTreeMap<String, String>,
}

impl Names {
    fn associate(&mut self, class: &syn::Ident, name: &syn::Ident, value: &Expr) {
        self.associated.entry((class.to_string(), name.to_string())).or_default().push(value.clone());
    }

    fn import(&mut self, module: Option<&str>, tree: &UseTree) {
        match (tree, module) {
            (UseTree::Path(path), _) => self.import(Some(&path.ident.to_string()), &path.tree),
            (UseTree::Group(group), _) => group.items.iter().for_each(|item| self.import(module, item)),
            (UseTree::Name(name), Some(module)) => {
                self.imports.insert(name.ident.to_string(), module.to_owned());
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.constants.entry(node.ident.to_string()).or_default().push((*node.expr).clone());
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        if is_for_tests(&node.attrs) {
            return;
        }
        let class = node.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        for item in &node.items {
            if let (Some(class), syn::ImplItem::Const(constant)) = (class, item) {
                self.associate(&class.ident, &constant.ident, &constant.expr);
            }
        }
        visit::visit_item_impl(self, node);
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        for item in &node.items {
            if let syn::TraitItem::Const(constant) = item
                && let Some((_, value)) = &constant.default
            {
                self.associate(&node.ident, &constant.ident, value);
            }
        }
        visit::visit_item_trait(self, node);
    }

    fn visit_item_use(&mut self, node: &'ast syn::ItemUse) {
        self.import(None, &node.tree);
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !is_for_tests(&node.attrs) {
            visit::visit_item_mod(self, node);
        }
    }
}

/// Whether an item is compiled only for tests.
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// Every Rust file below a directory: relative path and text.
pub(crate) fn texts_below(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
                let below = path.strip_prefix(root).unwrap_or(&path);
                found.push((below.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}
