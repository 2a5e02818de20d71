use super::*;

fn token(body: &str, password: &str) -> String {
    sign(body.as_bytes(), &SecretString::from(password)).unwrap()
}

/// Examples from T-Bank's documentation; they also contain nested objects, which are not signed.
#[test]
fn the_banks_own_examples_are_signed_alike() {
    let init = |order: &str, terminal: &str| {
        format!(
            r#"{{"TerminalKey":"{terminal}","Amount":19200,"OrderId":"{order}",
                "Description":"Подарочная карта на 1000 рублей",
                "DATA":{{"Phone":"none","Email":"a@example.test"}},
                "Receipt":{{"Taxation":"osn","Items":[{{"Name":"Карта","Price":19200}}]}}}}"#
        )
    };
    assert_eq!(
        token(&init("00000", "MerchantTerminalKey"), "11111111111111"),
        "72dd466f8ace0a37a1f740ce5fb78101712bc0665d91a8108c7c8a0ccd426db2"
    );
    assert_eq!(
        token(&init("21090", "MerchantTerminalKey"), "usaf8fw8fsw21g"),
        "0024a00af7c350a3a67ca168ce06502aa72772456662e38696d48b56ee9c97d9"
    );
    assert_eq!(
        token(r#"{"TerminalKey":"TinkoffBankTest","OrderId":"21057"}"#, "TinkoffBankTest"),
        "4c4c36adf9936b011879fa26f60759e7b47e57f7968283129b0ae9ac457486ab"
    );
    assert_eq!(
        token(r#"{"TerminalKey":"TinkoffBankTest","PaymentId":"2304882"}"#, "TinkoffBankTest"),
        "c0ad1dfc4e94ed44715c5ed0e84f8ec439695b9ac219a7a19555a075a3c3ed24"
    );
}

#[test]
fn the_banks_own_notifications_are_signed_alike() {
    assert_eq!(
        token(
            r#"{"TerminalKey":"1234567890DEMO","OrderId":"000000","Success":true,"Status":"AUTHORIZED",
                "PaymentId":"0000000","ErrorCode":"0","Amount":1111,"CardId":"000000",
                "Pan":"200000******0000","ExpDate":"1111","RebillId":"000000"}"#,
            "11111111111"
        ),
        "1c0964277d0213349243065a0d5b838b8e90d2d25f740d0f2767836e710e80c8"
    );
    assert_eq!(
        token(
            r#"{"TerminalKey":"1321054611234DEMO","OrderId":"201709","Success":true,"Status":"AUTHORIZED",
                "PaymentId":8742591,"ErrorCode":"0","Amount":9855,"CardId":322264,
                "Pan":"430000******0777","ExpDate":"1122","RebillId":101709}"#,
            "Dfsfh56dgKl"
        ),
        "b906d28e76c6428e37b25fcf86c0adc52c63d503013fdd632e300593d165766b"
    );
}

/// Examples from tests of other integrations: a notification of a real DEMO terminal, and an amount as a string.
#[test]
fn other_integrators_examples_are_signed_alike() {
    assert_eq!(
        token(
            r#"{"TerminalKey":"1726675329428DEMO","OrderId":"9863471b-8d42-4617-9073-11339159aba9",
                "Success":true,"Status":"AUTHORIZED","PaymentId":5974256058,"ErrorCode":"0","Amount":19900,
                "CardId":475738102,"Pan":"430000******0777","ExpDate":"1230","RebillId":1741204285536}"#,
            "xxxxxxxxxxxxxxxx"
        ),
        "16cfc8cd6e8f8fc1d404e3f9984c8058ecdf6eab622a9cc73c2e3824e47124ac"
    );
    assert_eq!(
        token(
            r#"{"TerminalKey":"15180119216597","PaymentId":5353155,"Amount":"851500","Receipt":{"Items":[]}}"#,
            "asd21dsas2"
        ),
        "a2804ae88b7a71d6bf831ea497f8df0768864002459eaeef7a0c50835d72810a"
    );
}

#[test]
fn order_is_by_bytes_and_null_adds_nothing() {
    let password = "TinkoffBankTest";
    for (body, expected) in [
        (
            r#"{"TerminalKey":"TinkoffBankTest","PaymentId":"111"}"#,
            "26b425a12528aabaca5218a7ac359a6cb899ed028a40370569e0fcdfdbb8d73f",
        ),
        (
            r#"{"TerminalKey":"TinkoffBankTest","PaymentId":"111","RebillId":"222","SendEmail":true,
                "InfoEmail":"a@b.ru"}"#,
            "e995fa1a5fec992c223f34faa0437735ea66a0b6ff0b9cab8657f3726d324b7e",
        ),
        (
            r#"{"InfoEmail":"a@b.ru","IP":"10.0.0.1","TerminalKey":"TinkoffBankTest","PaymentId":"111",
                "RebillId":"222","SendEmail":true}"#,
            "24f6d094c3bc857fb95a49e850e43323f440236d3a7d4352830c4996a75909a7",
        ),
        (
            r#"{"TerminalKey":"TinkoffBankTest","OrderId":"sub-2","Success":false,"Status":"REJECTED",
                "PaymentId":111,"ErrorCode":"1051","Amount":49900,"RebillId":null,"Data":{"Source":"cards"}}"#,
            "aa2124fbec2be599543fe3accaa827e08f3dc381141de51ce83d8dbf9393baae",
        ),
        (
            r#"{"TerminalKey":"TinkoffBankTest","OrderId":"sub-2","Success":true,"Status":"CONFIRMED",
                "PaymentId":111,"ErrorCode":"0","Amount":49900,"CardId":333,"Pan":"220138******0013",
                "ExpDate":"1230","RebillId":222}"#,
            "4e5a9f2b81c6436088a759cedea4e99be9dd6a41acb7f5a629b354a9224608fe",
        ),
    ] {
        assert_eq!(token(body, password), expected, "{body}");
    }
}

#[test]
fn text_is_signed_unescaped_and_numbers_as_written() {
    assert_eq!(token(r#"{"A":"\u041f\/\n"}"#, "p"), token("{\"A\":\"П/\\n\"}", "p"));
    assert_ne!(token(r#"{"A":1.10}"#, "p"), token(r#"{"A":1.1}"#, "p"));
    assert_eq!(token(r#"{"A":19200}"#, "p"), token(r#"{"A":"19200"}"#, "p"));
}

#[test]
fn a_body_cannot_bring_its_own_password() {
    assert_eq!(token(r#"{"A":"1","Password":"guess"}"#, "p"), token(r#"{"A":"1"}"#, "p"));
}

#[test]
fn what_has_two_meanings_is_not_signed() {
    let password = SecretString::from("p");
    for body in [r#"{"A":1,"A":2}"#, r#"{"A":1,"\u0041":2}"#, "[]", "1", "", "{", "{}x", r#"{"A":}"#] {
        assert_eq!(sign(body.as_bytes(), &password), Err(Unsignable), "{body}");
    }
}
