//! URLs that list several hosts, as MySQL's connectors write them: `mysql://user:password@a:3306,b:3306/database`.

/// One URL for each host of the list, in its order; the URL itself if it names one host.
pub fn split_hosts(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{user}{}{path}", host.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::split_hosts;

    #[test]
    fn a_url_of_several_hosts_is_one_url_for_each() {
        assert_eq!(
            split_hosts("mysql://flysk:p,w@one:3306,two,[::1]:3307/flysk?ssl-mode=REQUIRED"),
            [
                "mysql://flysk:p,w@one:3306/flysk?ssl-mode=REQUIRED",
                "mysql://flysk:p,w@two/flysk?ssl-mode=REQUIRED",
                "mysql://flysk:p,w@[::1]:3307/flysk?ssl-mode=REQUIRED",
            ]
        );
        assert_eq!(split_hosts("mysql://one, two"), ["mysql://one", "mysql://two"]);
    }

    #[test]
    fn a_url_of_one_host_is_left_as_it_is() {
        for url in ["mysql://root@127.0.0.1/flysk", "mysql://root@127.0.0.1:3306/flysk?a=b,c", "no url"] {
            assert_eq!(split_hosts(url), [url]);
        }
    }
}
