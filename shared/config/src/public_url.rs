//! Public URL of the API.

use super::Variable;

pub(super) const PUBLIC_URL: Variable = Variable::required(
    "FLYSK_PUBLIC_URL",
    "http://127.0.0.1:8080",
    "Public URL of the API; redirect URIs and webhook URLs are built from it.\n\
     Must be https except in development, because amoCRM redirects to https only.\n\
     The secrets of .env.example are accepted only while this is an http URL of this machine (localhost, 127.0.0.1).",
);
