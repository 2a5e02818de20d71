//! Reads every statement from the source: its text and the number of bound values.
//!
//! A statement is the argument of `sqlx::query`, `query_as`, `query_scalar` or `raw_sql`, with the `.bind(…)` calls that
//! follow it; or the texts given to a `QueryBuilder`, in the order of the source, once per branch, also by functions of the
//! crate that it is handed to. A constant of a trait, `<T as Trait>::NAME`, is one text per implementation. All other ways to
//! give sqlx a statement are faults, and so is code that cannot be read, so that no statement is skipped.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Expr, Pat};

use crate::source::{Loops, SourceFile, Sources, is_for_tests};
use crate::syntax::{
    Builder, RowValues, STATEMENT_FUNCTIONS, Statement, first_parameter, makes_builder, path_of,
    takes_statement, unwind,
};

/// Names that would send a statement to the server without those functions.
const FORBIDDEN_NAMES: [&str; 11] = [
    "AssertSqlSafe",
    "Executor",
    "SqlSafeStr",
    "SqlStr",
    "query_with",
    "query_as_with",
    "query_scalar_with",
    "query_file",
    "query_file_as",
    "with_arguments",
    "begin_with",
];
/// Maximum number of branches of an `if` or `match` that a builder depends on.
pub(crate) const MAX_BRANCHES: usize = 7;

/// All statements of the sources, and faults that prevent reading others.
pub(crate) fn read_statements(sources: &Sources) -> (BTreeSet<Statement>, BTreeSet<String>) {
    let (mut statements, mut faults) = (BTreeSet::new(), BTreeSet::new());
    for file in &sources.0 {
        for branch in 0..MAX_BRANCHES {
            let mut reader = Reader::new(sources, file, branch);
            reader.visit_file(&file.syntax);
            statements.extend(reader.found);
            faults.extend(reader.faults);
        }
    }
    (statements, faults)
}

struct Reader<'s> {
    sources: &'s Sources,
    file: &'s SourceFile,
    function: String,
    /// Number of the branch that a builder follows; the contents of other branches are read too.
    branch: usize,
    builders: BTreeMap<String, Builder>,
    /// Names of builders bound in each open block.
    bound: Vec<BTreeSet<String>>,
    loops: Loops,
    found: Vec<Statement>,
    faults: BTreeSet<String>,
}

impl<'s> Reader<'s> {
    fn new(sources: &'s Sources, file: &'s SourceFile, branch: usize) -> Self {
        Self {
            sources,
            file,
            function: String::new(),
            branch,
            builders: BTreeMap::new(),
            bound: Vec::new(),
            loops: Loops::new(),
            found: Vec::new(),
            faults: BTreeSet::new(),
        }
    }

    fn location(&self) -> String {
        format!("{}, {}", self.file.path, self.function)
    }

    fn fault(&mut self, what: &str) {
        self.faults.insert(format!("{}: {what}", self.location()));
    }

    fn record(&mut self, text: String, binds: usize, is_built: bool) {
        let location = self.location();
        self.found.push(Statement { location, text, binds, is_built });
    }

    fn text(&mut self, expr: Option<&Expr>) -> String {
        let read = expr.map(|expr| self.sources.text_of_branch((self.file, &self.loops), expr, self.branch));
        read.unwrap_or_else(|| Err("it is missing".to_owned())).unwrap_or_else(|reason| {
            self.fault(&format!("a text cannot be read from the source: {reason}"));
            String::new()
        })
    }

    fn statement(&mut self, call: &syn::ExprCall, binds: usize) {
        let texts = call.args.first().map(|expr| self.sources.texts(self.file, &self.loops, expr));
        match texts.unwrap_or_else(|| Err("it is missing".to_owned())) {
            Ok(texts) => texts.into_iter().for_each(|text| self.record(text, binds, false)),
            Err(reason) => self.fault(&format!("a statement cannot be read from the source: {reason}")),
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    /// Visits the arguments of a chain of method calls.
    fn visit_links(&mut self, mut expr: &Expr) {
        loop {
            expr = match expr {
                Expr::MethodCall(link) => {
                    link.args.iter().for_each(|argument| self.visit_expr(argument));
                    &link.receiver
                }
                Expr::Paren(inner) => &inner.expr,
                _ => return,
            }
        }
    }

    fn builder_named(&self, expr: &Expr) -> Option<String> {
        let Expr::Path(path) = expr else { return None };
        let name = path.path.get_ident()?.to_string();
        self.builders.contains_key(&name).then_some(name)
    }

    /// Applies a method call to a builder.
    fn apply(&mut self, name: &str, call: &syn::ExprMethodCall) {
        let mut builder = self.builders.get(name).cloned().unwrap_or_default();
        match call.method.to_string().as_str() {
            "push" => builder.text.push_str(&self.text(call.args.first())),
            "push_bind" => builder.bind(),
            "push_values" => self.push_values(&mut builder, call),
            method if method.starts_with("build") => {
                self.record(builder.text.clone(), builder.binds, true);
            }
            method => self.fault(&format!("what `{method}` does to a builder cannot be read")),
        }
        self.builders.insert(name.to_owned(), builder);
    }

    fn push_values(&mut self, builder: &mut Builder, call: &syn::ExprMethodCall) {
        let Some(Expr::Closure(closure)) = call.args.last() else {
            return self.fault("`push_values` has no closure");
        };
        let Some(Pat::Ident(row)) = closure.inputs.first() else {
            return self.fault("the row of `push_values` has no name");
        };
        let mut values = RowValues { row: row.ident.to_string(), binds: 0, others: 0 };
        values.visit_expr(&closure.body);
        if values.others > 0 {
            self.fault("a row of `push_values` takes more than `push_bind`");
        }
        builder.text.push_str("VALUES (");
        for number in 0..values.binds {
            builder.text.push_str(if number == 0 { "" } else { ", " });
            builder.bind();
        }
        builder.text.push(')');
    }

    /// Reads what a call adds to the builder that is its first argument; false if that cannot be known.
    fn hand_on(&mut self, name: &str, call: &syn::ExprCall) -> bool {
        let (sources, path) = (self.sources, path_of(&call.func));
        let mut builder = self.builders.get(name).cloned().unwrap_or_default();
        if path.last().is_some_and(|function| function == "push_in") {
            builder.text.push_str(" IN (");
            builder.bind();
            builder.text.push(')');
        } else {
            let [function] = path.as_slice() else { return false };
            let Some((file, function)) = sources.function(function) else { return false };
            let Some(parameter) = first_parameter(function) else { return false };
            if function.sig.ident == self.function {
                return false;
            }
            let caller = (self.file, std::mem::take(&mut self.loops));
            self.file = file;
            self.in_function(&function.sig.ident, |reader| {
                reader.builders.insert(parameter.clone(), builder.clone());
                reader.visit_block(&function.block);
                builder = reader.builders.remove(&parameter).unwrap_or_default();
            });
            (self.file, self.loops) = caller;
        }
        self.builders.insert(name.to_owned(), builder);
        true
    }

    /// Continues with the builders of the branch that this reading follows.
    fn follow(&mut self, branches: Vec<BTreeMap<String, Builder>>) {
        let last = branches.len().saturating_sub(1);
        if branches.len() > MAX_BRANCHES {
            self.fault("there are more branches than MAX_BRANCHES");
        }
        if let Some(chosen) = branches.into_iter().nth(self.branch.min(last)) {
            self.builders = chosen;
        }
    }

    fn in_function(&mut self, name: &syn::Ident, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.function, name.to_string());
        let builders = std::mem::take(&mut self.builders);
        visit(self);
        self.function = outer;
        self.builders = builders;
    }

    /// The expressions of each name in a loop's pattern, if the loop iterates over a constant list of tuples.
    fn looped(&self, node: &syn::ExprForLoop) -> Option<Loops> {
        let (Pat::Tuple(names), Expr::Path(list)) = (&*node.pat, &*node.expr) else { return None };
        let (_, Expr::Array(list)) = self.sources.constant(self.file, &list.path).ok()? else { return None };
        let mut loops = Loops::new();
        for row in &list.elems {
            let Expr::Tuple(row) = row else { return None };
            for (name, value) in names.elems.iter().zip(&row.elems) {
                if let Pat::Ident(name) = name {
                    loops.entry(name.ident.to_string()).or_default().push(value.clone());
                }
            }
        }
        Some(loops)
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !is_for_tests(&node.attrs) {
            visit::visit_item_mod(self, node);
        }
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.in_function(&node.sig.ident, |reader| visit::visit_item_fn(reader, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.in_function(&node.sig.ident, |reader| visit::visit_impl_item_fn(reader, node));
    }

    fn visit_block(&mut self, node: &'ast syn::Block) {
        let before = self.builders.clone();
        self.bound.push(BTreeSet::new());
        visit::visit_block(self, node);
        for name in self.bound.pop().unwrap_or_default() {
            match before.get(&name) {
                Some(builder) => self.builders.insert(name, builder.clone()),
                None => self.builders.remove(&name),
            };
        }
    }

    fn visit_local(&mut self, node: &'ast syn::Local) {
        let builder = node.init.as_ref().and_then(|init| makes_builder(&init.expr));
        let text = builder.map(|call| self.text(call.args.first()));
        if text.is_none() {
            visit::visit_local(self, node);
        }
        let pattern = if let Pat::Type(typed) = &node.pat { &*typed.pat } else { &node.pat };
        let Pat::Ident(name) = pattern else {
            if text.is_some() {
                self.fault("a builder has no name");
            }
            return;
        };
        let name = name.ident.to_string();
        if text.is_some() || self.builders.contains_key(&name) {
            self.builders.remove(&name);
            if let Some(bound) = self.bound.last_mut() {
                bound.insert(name.clone());
            }
        }
        self.builders.extend(text.map(|text| (name, Builder { text, binds: 0 })));
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        let (root, methods) = unwind(&node.receiver);
        if let Some(name) = self.builder_named(root) {
            if !methods.is_empty() {
                self.visit_expr(&node.receiver);
            }
            if !methods.iter().any(|method| method.starts_with("build")) {
                self.apply(&name, node);
            }
            return node.args.iter().for_each(|argument| self.visit_expr(argument));
        }
        match root {
            Expr::Call(call) if takes_statement(&call.func) => {
                let binds =
                    methods.iter().chain([&node.method.to_string()]).filter(|name| *name == "bind").count();
                self.statement(call, binds);
                node.args.iter().for_each(|argument| self.visit_expr(argument));
                self.visit_links(&node.receiver);
            }
            _ => visit::visit_expr_method_call(self, node),
        }
    }

    fn visit_expr_call(&mut self, node: &'ast syn::ExprCall) {
        if takes_statement(&node.func) {
            return self.statement(node, 0);
        }
        if makes_builder(&Expr::Call(node.clone())).is_some() {
            return self.fault("a builder is not bound to a name");
        }
        let named = match node.args.first() {
            Some(Expr::Reference(reference)) => self.builder_named(&reference.expr),
            _ => None,
        };
        if named.is_some_and(|name| self.hand_on(&name, node)) {
            return node.args.iter().skip(1).for_each(|argument| self.visit_expr(argument));
        }
        visit::visit_expr_call(self, node);
    }

    fn visit_expr_path(&mut self, node: &'ast syn::ExprPath) {
        let expr = Expr::Path(node.clone());
        if takes_statement(&expr) {
            self.fault("a function of sqlx is used without being called");
        }
        if self.builder_named(&expr).is_some() {
            self.fault("a builder is handed on");
        }
        visit::visit_expr_path(self, node);
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.visit_expr(&node.cond);
        let before = self.builders.clone();
        self.visit_block(&node.then_branch);
        let then = std::mem::replace(&mut self.builders, before);
        if let Some((_, otherwise)) = &node.else_branch {
            self.visit_expr(otherwise);
        }
        let otherwise = std::mem::take(&mut self.builders);
        self.follow(vec![then, otherwise]);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        self.visit_expr(&node.expr);
        let before = self.builders.clone();
        let mut branches = Vec::new();
        for arm in &node.arms {
            self.builders.clone_from(&before);
            self.visit_arm(arm);
            branches.push(std::mem::take(&mut self.builders));
        }
        self.builders = before;
        if branches.iter().any(|branch| {
            branch
                .iter()
                .any(|(name, builder)| self.builders.get(name).is_none_or(|known| known.text != builder.text))
        }) {
            self.follow(branches);
        }
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        let outer = self.loops.clone();
        self.loops.extend(self.looped(node).unwrap_or_default());
        visit::visit_expr_for_loop(self, node);
        self.loops = outer;
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        if node.path.segments.first().is_some_and(|segment| segment.ident == "sqlx") {
            self.fault("a macro of sqlx makes a statement");
        }
        let tokens = node.tokens.to_string();
        let mut words = tokens.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if words.any(|word| word == "sqlx" || word == "QueryBuilder" || FORBIDDEN_NAMES.contains(&word)) {
            self.fault("a macro speaks to sqlx");
        }
    }

    fn visit_use_name(&mut self, node: &'ast syn::UseName) {
        if STATEMENT_FUNCTIONS.iter().any(|name| node.ident == name) {
            self.fault("a function of sqlx is imported: write `sqlx::` before it");
        }
        visit::visit_use_name(self, node);
    }

    fn visit_use_rename(&mut self, node: &'ast syn::UseRename) {
        if STATEMENT_FUNCTIONS.iter().chain(&["sqlx", "QueryBuilder"]).any(|name| node.ident == name) {
            self.fault("sqlx is imported under another name");
        }
        visit::visit_use_rename(self, node);
    }

    fn visit_ident(&mut self, node: &'ast syn::Ident) {
        if FORBIDDEN_NAMES.iter().any(|name| node == name) {
            self.fault(&format!("`{node}` leads a statement past this test"));
        }
    }
}
