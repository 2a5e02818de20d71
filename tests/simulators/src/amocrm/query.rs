//! PHP-style query strings, pagination and HAL lists.

use poem::Response;
use poem::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::problem::{Problem, hal};

/// The decoded pairs of a query string.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

/// A page of a list: number and size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    number: usize,
    limit: usize,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The last value of `name`, as PHP reads it.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of `name`, `name[]` and `name[0]`, `name[1]`, …
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| {
                key == name
                    || key
                        .strip_prefix(name)
                        .and_then(|rest| rest.strip_prefix('['))
                        .and_then(|rest| rest.strip_suffix(']'))
                        .is_some_and(|index| index.bytes().all(|b| b.is_ascii_digit()))
            })
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Numbers in `name`; other values are a validation error.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u64>, Problem> {
        self.many(name).into_iter().map(|text| number(name, text)).collect()
    }

    /// A range of Unix times: `name=from`, or `name[from]` and `name[to]`, both inclusive.
    pub(crate) fn range(&self, name: &str) -> Result<(u64, u64), Problem> {
        let bound = |key: String| self.one(&key).map(|text| number(&key, text)).transpose();
        let from = match bound(name.to_owned())? {
            Some(from) => Some(from),
            None => bound(format!("{name}[from]"))?,
        };
        Ok((from.unwrap_or(0), bound(format!("{name}[to]"))?.unwrap_or(u64::MAX)))
    }

    /// The range of `name`, if the request has one.
    pub(crate) fn range_if_given(&self, name: &str) -> Result<Option<(u64, u64)>, Problem> {
        let is_given = self.0.iter().any(|(key, _)| key.starts_with(name));
        is_given.then(|| self.range(name)).transpose()
    }

    /// All pairs, in their order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Rejects filters that the method does not support, so that `filter[typo]` is not read as "all".
    pub(crate) fn allow_filters(&self, known: &[&str]) -> Result<(), Problem> {
        for (key, _) in &self.0 {
            let Some(rest) = key.strip_prefix("filter[") else { continue };
            let name = rest.split(']').next().unwrap_or_default();
            if !known.contains(&name) {
                return Err(Problem::invalid("NotSupportedChoice", key, "This filter is not supported."));
            }
        }
        Ok(())
    }

    /// `order[field]=asc|desc` for one of `known`; `None` if absent.
    pub(crate) fn order(&self, known: &[&'static str]) -> Result<Option<(&'static str, bool)>, Problem> {
        for (key, value) in &self.0 {
            let Some(name) = key.strip_prefix("order[").and_then(|rest| rest.strip_suffix(']')) else {
                continue;
            };
            let field = known.iter().find(|field| **field == name);
            return match (field, value.as_str()) {
                (Some(field), "asc") => Ok(Some((field, false))),
                (Some(field), "desc") => Ok(Some((field, true))),
                _ => Err(Problem::invalid("NotSupportedChoice", key, "This order is not supported.")),
            };
        }
        Ok(None)
    }

    /// `page` and `limit`. The default limit is 50; a limit above `max` is rejected.
    pub(crate) fn page(&self, max: usize) -> Result<Page, Problem> {
        let read = |name: &'static str, default: usize| match self.one(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| *n >= 1)
                .ok_or_else(|| Problem::invalid("InvalidType", name, "This value should be 1 or more.")),
        };
        let page = Page { number: read("page", 1)?, limit: read("limit", 50)? };
        if page.limit > max {
            return Err(Problem::invalid(
                "TooHigh",
                "limit",
                &format!("This value should be {max} or less."),
            ));
        }
        Ok(page)
    }
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::invalid("InvalidType", name, "This value should be a whole number."))
}

/// One page of `items` as HAL, or 204 without a body if it is empty. `uri` is the URI of the request.
pub(crate) fn hal_list(name: &str, items: &[Value], page: Page, host: &str, uri: &Uri) -> Response {
    list_response(list_body(name, items, page, host, uri))
}

/// The same with the numbers of items and pages, which some lists have.
pub(crate) fn hal_list_counted(name: &str, items: &[Value], page: Page, host: &str, uri: &Uri) -> Response {
    let mut body = list_body(name, items, page, host, uri);
    if let Some(body) = &mut body {
        body["_total_items"] = json!(items.len());
        body["_page_count"] = json!(items.len().div_ceil(page.limit));
    }
    list_response(body)
}

fn list_response(body: Option<Value>) -> Response {
    match body {
        Some(body) => hal(&body),
        None => Response::builder().status(StatusCode::NO_CONTENT).finish(),
    }
}

fn list_body(name: &str, items: &[Value], page: Page, host: &str, uri: &Uri) -> Option<Value> {
    let start = page.limit.saturating_mul(page.number - 1).min(items.len());
    let end = (start + page.limit).min(items.len());
    if start == end {
        return None;
    }
    let link = |number: usize| json!({"href": page_url(host, uri, number, page.limit)});
    let mut links = json!({"self": link(page.number)});
    if end < items.len() {
        links["next"] = link(page.number + 1);
    }
    if page.number > 1 {
        links["prev"] = link(page.number - 1);
    }
    let mut embedded = serde_json::Map::new();
    embedded.insert(name.to_owned(), Value::from(&items[start..end]));
    Some(json!({"_page": page.number, "_links": links, "_embedded": embedded}))
}

fn page_url(host: &str, uri: &Uri, number: usize, limit: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in Query::of(uri).0 {
        if key != "page" && key != "limit" {
            query.append_pair(&key, &value);
        }
    }
    query.append_pair("page", &number.to_string()).append_pair("limit", &limit.to_string());
    format!("https://{host}{}?{}", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("http://h/?{text}").parse().unwrap())
    }

    #[test]
    fn php_lists_are_parsed_in_every_notation() {
        assert_eq!(
            query("filter%5Bid%5D%5B%5D=1&filter[id][0]=2&filter[id]=3").numbers("filter[id]").unwrap(),
            [1, 2, 3]
        );
        assert!(query("filter[id][]=x").numbers("filter[id]").is_err());
    }

    #[test]
    fn a_range_is_a_start_or_two_bounds() {
        assert_eq!(query("filter[updated_at]=5").range("filter[updated_at]").unwrap(), (5, u64::MAX));
        assert_eq!(query("filter[updated_at][to]=9").range("filter[updated_at]").unwrap(), (0, 9));
    }

    #[test]
    fn unknown_filters_and_oversized_pages_are_rejected() {
        assert!(query("filter[idd][]=1").allow_filters(&["id"]).is_err());
        assert!(query("limit=251").page(250).is_err());
        assert!(query("limit=250").page(250).is_ok());
    }
}
