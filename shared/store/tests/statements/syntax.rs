//! Syntax of code that uses sqlx: functions that take a statement, method chains, builders.

use syn::Expr;
use syn::visit::{self, Visit};

/// sqlx functions that take a statement.
pub(crate) const STATEMENT_FUNCTIONS: [&str; 4] = ["query", "query_as", "query_scalar", "raw_sql"];

/// A statement, as sent to the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statement {
    /// File and function.
    pub(crate) location: String,
    pub(crate) text: String,
    /// Number of bound values.
    pub(crate) binds: usize,
    /// Whether it is composed by a builder.
    pub(crate) is_built: bool,
}

/// State of a `QueryBuilder`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Builder {
    /// The text so far.
    pub(crate) text: String,
    /// Number of bound values.
    pub(crate) binds: usize,
}

impl Builder {
    /// Adds a bound value.
    pub(crate) fn bind(&mut self) {
        self.text.push('?');
        self.binds += 1;
    }
}

/// The receiver at the start of a chain of method calls, and the names of the methods.
pub(crate) fn unwind(mut expr: &Expr) -> (&Expr, Vec<String>) {
    let mut methods = Vec::new();
    loop {
        expr = match expr {
            Expr::MethodCall(call) => {
                methods.push(call.method.to_string());
                &call.receiver
            }
            Expr::Paren(inner) => &inner.expr,
            _ => return (expr, methods),
        }
    }
}

/// The segments of the path that a call names its function by.
pub(crate) fn path_of(function: &Expr) -> Vec<String> {
    let Expr::Path(path) = function else { return Vec::new() };
    path.path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Whether a function is one of [`STATEMENT_FUNCTIONS`].
pub(crate) fn takes_statement(function: &Expr) -> bool {
    let path = path_of(function);
    matches!(path.as_slice(), [.., module, name] if module == "sqlx" && STATEMENT_FUNCTIONS.contains(&name.as_str()))
}

/// The call, if it creates a `QueryBuilder`.
pub(crate) fn makes_builder(expr: &Expr) -> Option<&syn::ExprCall> {
    let Expr::Call(call) = expr else { return None };
    matches!(path_of(&call.func).as_slice(), [.., class, name] if class == "QueryBuilder" && name == "new")
        .then_some(call)
}

/// Name of a function's first parameter.
pub(crate) fn first_parameter(function: &syn::ItemFn) -> Option<String> {
    let Some(syn::FnArg::Typed(parameter)) = function.sig.inputs.first() else { return None };
    let syn::Pat::Ident(name) = &*parameter.pat else { return None };
    Some(name.ident.to_string())
}

/// Counts the values that the closure of `push_values` binds per row.
pub(crate) struct RowValues {
    /// Name of the closure's parameter for the row.
    pub(crate) row: String,
    /// Number of bound values.
    pub(crate) binds: usize,
    /// Number of other method calls on the row.
    pub(crate) others: usize,
}

impl<'ast> Visit<'ast> for RowValues {
    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        if matches!(unwind(&node.receiver).0, Expr::Path(path) if path.path.is_ident(&self.row)) {
            let is_bind = node.method == "push_bind";
            *(if is_bind { &mut self.binds } else { &mut self.others }) += 1;
        }
        visit::visit_expr_method_call(self, node);
    }
}
