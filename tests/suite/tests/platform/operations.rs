//! Operations of the OpenAPI document, for tests that cover all of them.

use reqwest::Method;
use serde_json::Value;

/// An operation of the document.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) schemes: Vec<String>,
    /// Names of query parameters.
    pub(crate) query: Vec<String>,
    /// Name of the body's schema.
    pub(crate) body: Option<String>,
    pub(crate) example: Option<Value>,
}

impl Operation {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_gateway(&self) -> bool {
        self.path.starts_with("/v1/amocrm/")
    }

    /// Whether its path or body contains the id of an item.
    pub(crate) fn names_a_thing(&self) -> bool {
        let body = self.example.as_ref().is_some_and(|body| body.get("transaction_id").is_some());
        body || (self.path.contains('{') && !self.is_gateway())
    }

    /// Whether its path or body contains an account id.
    pub(crate) fn names_an_account(&self) -> bool {
        let body = self.example.as_ref().is_some_and(|body| body.get("account_id").is_some());
        body || self.is_gateway() || self.query.iter().any(|name| name == "account_id")
    }
}

/// All operations with credentials.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&flysk_api::routes::specification()).unwrap();
    let texts = |list: &Value, of: &dyn Fn(&Value) -> Option<String>| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(of).collect()
    };
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let named = |scheme: &Value| scheme.as_object()?.keys().next().cloned();
            let in_query = |parameter: &Value| {
                (parameter["in"] == "query").then(|| parameter["name"].as_str().unwrap().to_owned())
            };
            let media =
                operation["requestBody"]["content"].as_object().and_then(|content| content.values().next());
            let schema = media.and_then(|media| media["schema"]["$ref"].as_str()?.rsplit('/').next());
            let example = schema.map(|name| document["components"]["schemas"][name]["examples"][0].clone());
            all.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                schemes: texts(&operation["security"], &named),
                query: texts(&operation["parameters"], &in_query),
                body: schema.map(str::to_owned),
                example,
            });
        }
    }
    all.retain(|operation| !operation.schemes.is_empty());
    assert!(all.len() >= 30, "the document is short: {}", all.len());
    all
}
