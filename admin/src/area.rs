//! The two applications of this process: the panel for operators and the portal for vendors. They share styles, templates and checks,
//! but no user, no session and no route.

/// Path of the portal's start page; all its routes begin with it.
pub(crate) const PORTAL: &str = "/portal";

/// An application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// For operators.
    Panel,
    /// For vendors.
    Portal,
}

impl Area {
    /// The application that a path belongs to.
    pub(crate) fn of(path: &str) -> Self {
        let rest = path.strip_prefix(PORTAL);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            Self::Portal
        } else {
            Self::Panel
        }
    }

    /// Start page.
    pub(crate) const fn home(self) -> &'static str {
        match self {
            Self::Panel => "/",
            Self::Portal => PORTAL,
        }
    }

    /// Page of the user's own access.
    pub(crate) const fn me(self) -> &'static str {
        match self {
            Self::Panel => "/me",
            Self::Portal => "/portal/me",
        }
    }

    /// Form for the password.
    pub(crate) const fn sign_in(self) -> &'static str {
        match self {
            Self::Panel => "/sign-in",
            Self::Portal => "/portal/sign-in",
        }
    }

    /// Form for the second factor.
    pub(crate) const fn second_factor(self) -> &'static str {
        match self {
            Self::Panel => "/sign-in/code",
            Self::Portal => "/portal/sign-in/code",
        }
    }

    /// Form that ends the session. It stays open in read-only mode.
    pub(crate) const fn sign_out(self) -> &'static str {
        match self {
            Self::Panel => "/sign-out",
            Self::Portal => "/portal/sign-out",
        }
    }

    /// Form that renews the second factor and does nothing else.
    pub(crate) const fn proof(self) -> &'static str {
        match self {
            Self::Panel => "/me/proof",
            Self::Portal => "/portal/me/proof",
        }
    }

    /// Whether pages have a search box.
    pub(crate) const fn has_search(self) -> bool {
        matches!(self, Self::Panel)
    }

    /// Whether rows of lists can be ticked.
    pub(crate) const fn has_ticks(self) -> bool {
        matches!(self, Self::Panel)
    }

    /// Name in titles of pages.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Panel => "Flysk",
            Self::Portal => "Портал Flysk",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_one_application() {
        for path in ["/portal", "/portal/widgets", "/portal/sign-in"] {
            assert_eq!(Area::of(path), Area::Portal, "{path}");
        }
        for path in ["/", "/portals", "/widgets", "/sign-in"] {
            assert_eq!(Area::of(path), Area::Panel, "{path}");
        }
    }
}
