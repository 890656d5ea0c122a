use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn read(json: &[u8]) -> Result<&str, Malformed> {
    let mut reader = Reader::strict(json)?;
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// By both doors: as a whole, and level by level.
fn read_by_level(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.next() {
        Some(b'{') => reader.object(|reader, _, _| read_by_level(reader)),
        Some(b'[') => reader.array(|reader, _| read_by_level(reader)),
        _ => reader.value().map(drop),
    }
}

fn check(json: &[u8]) {
    let expect = serde_json::from_slice::<Value>(json).is_ok();
    let shown = String::from_utf8_lossy(json);
    assert_eq!(read(json).is_ok(), expect, "{shown}: {:?}", read(json));
    let by_level = Reader::strict(json).and_then(|mut reader| {
        read_by_level(&mut reader)?;
        reader.end()
    });
    assert_eq!(by_level.is_ok(), expect, "{shown}: {by_level:?}");
}

#[test]
fn it_takes_what_serde_takes_and_nothing_else() {
    for json in [
        "",
        " ",
        "{}",
        "[]",
        " { } ",
        "[ ]",
        "[[],{}]",
        "null",
        "nul",
        "tru",
        "true",
        "falsee",
        "\"",
        "\"a",
        "\"a\"",
        "\"\\\"\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u00e4\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\n\"",
        "\"\\ude00\"",
        "\"\\ud83d\\ud83d\"",
        "\"a\nb\"",
        "\"12345678\n\"",
        "\"\u{7f}ä€😀\"",
        "0",
        "-0",
        "01",
        "-",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+5",
        "1e-999",
        "1e999",
        "-1e999",
        "1e",
        "0e1",
        "1.5.5",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\" : [ 1 , {} ] }",
        "{\"a\":1]",
        "{\"a\":1}x",
        "{}{}",
        "[1]]",
        "\u{feff}{}",
        "[\"a\",\"b\"",
        "\t[\r\n]",
        "\u{a0}[]",
        "[]]",
        "}",
    ] {
        check(json.as_bytes());
    }
    check(b"\"\xff\"");
    check("9".repeat(309).as_bytes());
    check(format!("1{}", "0".repeat(308)).as_bytes());
    check(format!("-2{}", "0".repeat(308)).as_bytes());
}

#[test]
fn nesting_is_bounded() {
    for levels in [1, 126, 127, 128, 129, 500] {
        check(format!("{}{}", "[".repeat(levels), "]".repeat(levels)).as_bytes());
        check(format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)).as_bytes());
    }
    let deep = "[".repeat(100_000);
    assert_eq!(read(deep.as_bytes()), Err(Malformed::TooDeep(127)));
    assert_eq!(read(format!("[{}1]", "[[1],2],".repeat(1000)).as_bytes()).map(str::len), Ok(8003));
}

#[test]
fn a_string_ends_where_it_ends() {
    for length in 0..40 {
        for (end, taken) in [("\"", true), ("\\n\"", true), ("\u{1}\"", false), ("\u{1f}\"", false), ("", false)] {
            for filler in ["a", "ä", " ", "!", "#", "[", "]", "\u{7f}", "\u{ff}"] {
                let json = format!("\"{}{end}", filler.repeat(length));
                assert_eq!(read(json.as_bytes()).is_ok(), taken, "{json:?}");
                check(json.as_bytes());
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".*", inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_passes_and_any_damage_is_judged_as_serde_does(
        value in any_json(), pretty: bool, at: prop::sample::Index, byte: u8, whole: bool
    ) {
        let written = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        let mut json = written.unwrap();
        check(&json);
        let at = at.index(json.len());
        if whole { json[at] = byte } else { json.truncate(at) }
        check(&json);
    }

    #[test]
    fn what_looks_like_json_is_judged_as_serde_does(json in r#"[\[\]{}":,0-9eE+\-.\\und8tru fals]{0,40}"#) {
        check(json.as_bytes());
    }
}
