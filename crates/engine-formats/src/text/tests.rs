use engine_catalog::Column;

use super::*;
use crate::arrow_schema;

fn schema(columns: &[(&str, &str)]) -> SchemaRef {
    let columns: Vec<Column> = columns.iter().map(|(name, hive)| Column::new(*name, *hive)).collect();
    arrow_schema(&columns).expect("a schema")
}

/// The batch as JSON, and the places of the records that were refused.
fn check(format: TextFormat, columns: &[(&str, &str)], records: &[&str], expect: &[&str], refused: &[usize]) {
    let mut decoder = TextDecoder::new(format, schema(columns)).expect("a decoder");
    let records: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    let (batch, rejected) = decoder.decode(&records).expect("decodes");
    let lines = write_json_lines(&batch, JsonLines::default()).expect("writes");
    let lines = String::from_utf8(lines).expect("text");
    assert_eq!(lines.lines().collect::<Vec<_>>(), expect);
    let places: Vec<usize> = rejected.iter().map(|rejected| rejected.index).collect();
    assert_eq!(places, refused, "{rejected:?}");
}

#[test]
fn fields_between_delimiters() {
    let comma = Delimited {
        field: b','.into(),
        item: b'|'.into(),
        key: b':'.into(),
        ..Delimited::default()
    };
    let columns = [
        ("n", "int"),
        ("t", "string"),
        ("l", "array<int>"),
        ("m", "map<string,double>"),
    ];
    let records = ["1,a b,1|x|3,a:1.5|b:2", "x,\\N,,", "2", "", "3,,\\N,a:\\N,more"];
    let expect = [
        r#"{"n":1,"t":"a b","l":[1,null,3],"m":{"a":1.5,"b":2.0}}"#,
        r#"{"l":[],"m":{}}"#,
        r#"{"n":2}"#,
        "{}",
        r#"{"n":3,"t":"","m":{"a":null}}"#,
    ];
    check(TextFormat::Delimited(comma.clone()), &columns, &records, &expect, &[]);
    let escaped = Delimited {
        escape: Some(b'\\'.into()),
        ..comma
    };
    let columns = [("a", "string"), ("b", "string")];
    let records = [r"x\,y,\\\n\r\z", r"end\"];
    let expect = [r#"{"a":"x,y","b":"\\\n\rz"}"#, r#"{"a":"end\\"}"#];
    check(TextFormat::Delimited(escaped), &columns, &records, &expect, &[]);
}

/// Nothing is known to be escaped until it is: NULL, items and keys are looked for in the text as it stands.
#[test]
fn escapes_within_values() {
    let format = Delimited {
        field: b','.into(),
        item: b'|'.into(),
        key: b':'.into(),
        escape: Some(b'\\'.into()),
        ..Delimited::default()
    };
    let columns = [
        ("a", "string"),
        ("l", "array<string>"),
        ("m", "map<string,string>"),
        ("s", "struct<x:string,y:array<string>>"),
    ];
    let records = [
        r"\N,x\|y|\N|z,k\:1:v\|w|k2:\N,p\|q|r",
        "\\\\N,,,",
        // The fourth sign separates what is nested deeper.
        "a\\,b,l\\,m,k:v\\,w,x|y\\:1:2",
    ];
    let expect = [
        r#"{"l":["x|y",null,"z"],"m":{"k:1":"v|w","k2":null},"s":{"x":"p|q","y":["r"]}}"#,
        r#"{"a":"\\N","l":[],"m":{},"s":{"x":""}}"#,
        r#"{"a":"a,b","l":["l,m"],"m":{"k":"v,w"},"s":{"x":"x","y":["y:1","2"]}}"#,
    ];
    check(TextFormat::Delimited(format), &columns, &records, &expect, &[]);
}

#[test]
fn the_last_field_takes_the_rest() {
    let format = Delimited {
        field: b','.into(),
        item: b'|'.into(),
        last_takes_rest: true,
        ..Delimited::default()
    };
    let columns = [("a", "string"), ("s", "struct<x:string,y:string>"), ("b", "string")];
    let records = ["a,x|y|z,b,c,", "a,x"];
    let expect = [
        r#"{"a":"a","s":{"x":"x","y":"y|z"},"b":"b,c,"}"#,
        r#"{"a":"a","s":{"x":"x"}}"#,
    ];
    check(TextFormat::Delimited(format), &columns, &records, &expect, &[]);
}

#[test]
fn lines_in_other_character_sets() {
    let format = |charset| Delimited {
        field: '|'.into(),
        charset: Charset::named(charset),
        ..Delimited::default()
    };
    let read = |charset, record: &[u8]| {
        let mut decoder = TextDecoder::new(
            TextFormat::Delimited(format(charset)),
            schema(&[("a", "string"), ("b", "string")]),
        )
        .expect("a decoder");
        let (batch, _) = decoder.decode(&[record]).expect("decodes");
        String::from_utf8(write_json_lines(&batch, JsonLines::default()).expect("writes")).expect("text")
    };
    assert_eq!(
        read("ISO-8859-1", b"Stra\xdfe|\xfc"),
        "{\"a\":\"Straße\",\"b\":\"ü\"}\n"
    );
    // The second byte of a character may be the one of a bar.
    assert_eq!(read("SJIS", b"\x83\x7c|x"), "{\"a\":\"ポ\",\"b\":\"x\"}\n");
}

/// What Hive's LazySimpleSerDe makes of a text in a column, by the tests that Trino runs it in (TestSimpleFormat).
#[test]
fn values_as_hive_reads_them() {
    for (hive, text, value) in [
        ("bigint", "9223372036854775807.999", "9223372036854775807"),
        ("bigint", "+00009223372036854775807", "9223372036854775807"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("bigint", "9223372036854775808", "null"),
        ("int", "1.56", "1"),
        ("int", "-.123", "0"),
        ("int", "1.2345e2", "null"),
        ("int", "-", "null"),
        ("int", "", "null"),
        ("int", " 1", "null"),
        ("int", "\"1\"", "null"),
        ("smallint", "32768", "null"),
        ("tinyint", "127.9", "127"),
        ("double", "1.5645e33", "1.5645e33"),
        ("double", "NaN", "\"NaN\""),
        ("double", "+Infinity", "\"Infinity\""),
        ("double", "-Infinity", "\"-Infinity\""),
        ("double", "+Inf", "null"),
        ("double", "nan", "null"),
        ("float", "infinity", "null"),
        ("decimal(4,2)", "10.005", "10.01"),
        ("decimal(4,2)", "99.999", "null"),
        ("decimal(18,2)", "1.2345e2", "123.45"),
        ("boolean", "tRuE", "true"),
        ("boolean", "t", "null"),
        ("boolean", "1", "null"),
        ("date", "1986-01-01 anything is allowed here", "\"1986-01-01\""),
        ("date", "1", "null"),
        (
            "timestamp",
            "2020-05-10 12:34:56.123456",
            "\"2020-05-10 12:34:56.123456\"",
        ),
        ("timestamp", "2020-05-10T12:34:56.1234", "\"2020-05-10 12:34:56.1234\""),
        ("timestamp", "1", "null"),
        ("timestamp", "1.5645e300", "null"),
        ("binary", "dmFsdWU=", "\"dmFsdWU=\""),
        ("binary", "$value", "\"JHZhbHVl\""),
        ("binary", "_-8", "\"/+8=\""),
        ("map<string,bigint>", "keyOnly", "{\"keyOnly\":null}"),
        (
            "map<int,string>",
            "1\u{3}a\u{2}x\u{3}b\u{2}3\u{3}\\N",
            "{\"1\":\"a\",\"3\":null}",
        ),
        (
            "struct<a:bigint,b:string,c:double>",
            "1\u{2}a\u{2}2\u{2}more",
            "{\"a\":1,\"b\":\"a\",\"c\":2.0}",
        ),
        ("struct<a:bigint,b:string>", "", "{\"a\":null,\"b\":null}"),
        ("array<array<int>>", "1\u{3}2\u{2}3", "[[1,2],[3]]"),
    ] {
        let format = TextFormat::Delimited(Delimited::default());
        let mut decoder = TextDecoder::new(format, schema(&[("v", hive)])).expect("a decoder");
        let (batch, _) = decoder.decode(&[text.as_bytes()]).expect("decodes");
        let line = write_json_lines(&batch, JsonLines { nulls: true }).expect("writes");
        assert_eq!(
            String::from_utf8(line).expect("text"),
            format!("{{\"v\":{value}}}\n"),
            "{hive} {text:?}"
        );
    }
}

#[test]
fn types_may_nest_as_deep_as_there_are_delimiters() {
    let nested = |levels: usize| format!("{}int{}", "array<".repeat(levels), ">".repeat(levels));
    let decoder = |levels| {
        let format = TextFormat::Delimited(Delimited::default());
        TextDecoder::new(format, schema(&[("a", &nested(levels))]))
    };
    let mut deepest = decoder(7).expect("a decoder");
    let (batch, _) = deepest.decode(&[b"1\x082\x073"]).expect("decodes");
    let line = write_json_lines(&batch, JsonLines::default()).expect("writes");
    assert_eq!(line, b"{\"a\":[[[[[[[1,2],[3]]]]]]]}\n");
    assert!(matches!(decoder(8), Err(FormatError::Schema(_))));
}

/// What Hive's OpenCSVSerde makes of lines, by the tests that Trino runs it in (TestCsvFormat).
#[test]
fn fields_in_quotes() {
    for (line, values) in [
        ("", "null null null"),
        (" ", r#"" " null null"#),
        ("a,b,c", r#""a" "b" "c""#),
        ("a,b", r#""a" "b" null"#),
        ("a,,", r#""a" "" """#),
        ("  a  ,b,  c", r#""  a  " "b" "  c""#),
        (r#""a","b","c""#, r#""a" "b" "c""#),
        (r#""a\"a","b\,b","c\\c""#, r#""a\"a" "b,b" "c\\c""#),
        (r#""a\xa","b\yb","c\zc""#, r#""axa" "byb" "czc""#),
        (r#""a""a",b,c"#, r#""a\"a" "b" "c""#),
        (r#""a,a",b,c"#, r#""a,a" "b" "c""#),
        (r#""a,b,c"#, "null null null"),
        (r#"a,b,"c"#, r#""a" "b" null"#),
        (r#"a,b,c,anything can go here , " \"#, r#""a" "b" "c""#),
        (r#"a\"a,b\\b,c"#, r#""a\"a" "b\\b" "c""#),
        (r"a\,a,b,c", r#""a" "a" "b""#),
        (r#"12x"a"x,x"b"x,x"c"x"#, r#""12x\"a\"x" "x\"b\"x" "x\"c\"x""#),
        (r#"12x"a",x"b",x"c""#, r#""12x\"a" "x\"b" "x\"c""#),
        (r#"12x"ax,x"bx,x"cx"#, r#""12x\"ax,x\"bx" null null"#),
        (r#" "a",  "b",  "c""#, r#"" a" "b" "c""#),
        (r#"  "a",  "b",  "c""#, r#""  a" "b" "c""#),
        (r#"   "a",  "b",  "c""#, r#""a" "b" "c""#),
        (r#""a"  ,  "b"  ,  "c"  "#, r#""a  " "b\"  " "c\"  ""#),
    ] {
        let signs = |text: &str| text.replace(',', "→").replace('"', "|").replace('\\', "~");
        let other = Quoted {
            separator: '→',
            quote: '|',
            escape: '~',
            ..Quoted::default()
        };
        for (format, line, values) in [
            (Quoted::default(), line.to_owned(), values.to_owned()),
            (
                other,
                signs(line),
                values.replace("\\\\", "~").replace("\\\"", "|").replace(',', "→"),
            ),
        ] {
            let columns = schema(&[("a", "string"), ("b", "string"), ("c", "string")]);
            let mut decoder = TextDecoder::new(TextFormat::Quoted(format), columns).expect("a decoder");
            let (batch, rejected) = decoder.decode(&[line.as_bytes()]).expect("decodes");
            assert!(rejected.is_empty());
            let found = write_json_lines(&batch, JsonLines { nulls: true }).expect("writes");
            let found = String::from_utf8(found).expect("text");
            let found = found.trim_end().replacen("{\"a\":", "", 1).replacen(",\"b\":", " ", 1);
            let found = found.replacen(",\"c\":", " ", 1).strip_suffix('}').map(str::to_owned);
            assert_eq!(found.as_deref(), Some(values.as_str()), "{line:?}");
        }
    }
}

/// Amazon Athena User Guide, "Open CSV SerDe for processing CSV".
#[test]
fn fields_in_quotes_of_other_types() {
    let columns = [("t", "timestamp"), ("d", "date"), ("n", "int"), ("b", "boolean")];
    let records = [
        r#""1579146280000","18276","1","true""#,
        "-1,-1,2,FALSE",
        "2020-01-15 12:00:00,1,1,true",
        "1,2020-01-15,1,true",
        "1,1,,true",
        "1,1, 1,true",
        "9223372036854775807,1,1,true",
    ];
    let expect = [
        r#"{"t":"2020-01-16 03:44:40","d":"2020-01-15","n":1,"b":true}"#,
        r#"{"t":"1969-12-31 23:59:59.999","d":"1969-12-31","n":2,"b":false}"#,
    ];
    let athenas = Quoted {
        unix_times: true,
        ..Quoted::default()
    };
    check(
        TextFormat::Quoted(athenas.clone()),
        &columns,
        &records,
        &expect,
        &[2, 3, 4, 5, 6],
    );
    let lenient = Quoted {
        invalid: Unmatched::Null,
        ..athenas
    };
    let nulls = [
        r#"{"d":"1970-01-02","n":1,"b":true}"#,
        r#"{"t":"1970-01-01 00:00:00.001","n":1,"b":true}"#,
        r#"{"t":"1970-01-01 00:00:00.001","d":"1970-01-02","b":true}"#,
        r#"{"t":"1970-01-01 00:00:00.001","d":"1970-01-02","b":true}"#,
        r#"{"d":"1970-01-02","n":1,"b":true}"#,
    ];
    check(TextFormat::Quoted(lenient), &columns, &records[2..], &nulls, &[]);
}

/// The example of Hive's documentation for a log of Apache's server.
#[test]
fn groups_of_an_expression() {
    let pattern = r#"([^ ]*) ([^ ]*) ([^ ]*) (-|\[[^\]]*\]) ([^ \"]*|\"[^\"]*\") (-|[0-9]*) (-|[0-9]*)(?: ([^ \"]*|\".*\") ([^ \"]*|\".*\"))?"#;
    let columns = [
        ("host", "string"),
        ("identity", "string"),
        ("user", "string"),
        ("time", "string"),
        ("request", "string"),
        ("status", "int"),
        ("size", "int"),
        ("referer", "string"),
        ("agent", "string"),
    ];
    let records = [
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        "something else",
        r#"h - - [t] "GET /" - - "r" "agent 1""#,
    ];
    let first = r#"{"host":"127.0.0.1","identity":"-","user":"frank","time":"[10/Oct/2000:13:55:36 -0700]","request":"\"GET /apache_pb.gif HTTP/1.0\"","status":200,"size":2326}"#;
    let last = r#"{"host":"h","identity":"-","user":"-","time":"[t]","request":"\"GET /\"","referer":"\"r\"","agent":"\"agent 1\""}"#;
    let regex = |unmatched| {
        TextFormat::Regex(Regex {
            pattern: pattern.to_owned(),
            case_insensitive: false,
            unmatched,
        })
    };
    check(regex(Unmatched::Null), &columns, &records, &[first, "{}", last], &[]);
    check(regex(Unmatched::Refuse), &columns, &records, &[first], &[1, 2]);
    let columns = [("b", "boolean"), ("n", "int")];
    let flags = |unmatched| {
        TextFormat::Regex(Regex {
            pattern: "([^,]*),([^,]*),?".to_owned(),
            case_insensitive: false,
            unmatched,
        })
    };
    let records = ["tRuE,1", "yes,+2,", "1, 3", ",4,5"];
    let nulls = [r#"{"b":true,"n":1}"#, r#"{"b":false,"n":2}"#, r#"{"b":false}"#, "{}"];
    check(flags(Unmatched::Null), &columns, &records, &nulls, &[]);
    check(flags(Unmatched::Refuse), &columns, &records, &nulls[..1], &[1, 2, 3]);
}

#[test]
fn expressions_as_java_has_them() {
    let regex = |pattern: &str, case_insensitive| Regex {
        pattern: pattern.to_owned(),
        case_insensitive,
        unmatched: Unmatched::Refuse,
    };
    let columns = [("a", "string")];
    // Look-around, back references, possessive repetition, and a whole match only.
    for (pattern, record) in [
        ("(?<=)(A(?!c)b)", "aB"),
        (r#"((["']).*\2)"#, "'x'"),
        ("(a++)b", "aab"),
        ("(a)", "A"),
    ] {
        let format = TextFormat::Regex(regex(pattern, true));
        let mut decoder = TextDecoder::new(format, schema(&columns)).expect("a decoder");
        decoder.push(record.as_bytes()).expect(pattern);
        assert!(decoder.push(format!("{record}!").as_bytes()).is_err(), "{pattern}");
        assert_eq!(decoder.rows(), 1);
    }
    // One that would take for ever is refused even where others become NULL.
    let endless = Regex {
        unmatched: Unmatched::Null,
        ..regex(r"((a*)*)*\2b", false)
    };
    let mut decoder = TextDecoder::new(TextFormat::Regex(endless), schema(&columns)).expect("a decoder");
    let refusal = decoder.push("a".repeat(40).as_bytes()).expect_err("steps");
    assert!(refusal.message.contains("steps"), "{refusal}");
    decoder.push(b"c").expect("a row of NULLs");
    // Without look-around and back references any text takes as long as it is.
    let plain = TextFormat::Regex(regex(r"((a*)*)*b", false));
    let mut decoder = TextDecoder::new(plain, schema(&columns)).expect("a decoder");
    assert!(decoder.push("a".repeat(100_000).as_bytes()).is_err());
    for pattern in [
        "(".repeat(100_000),
        "(?:a{1000}){1000}{1000}".to_owned(),
        "(?=a){9}".repeat(200_000),
    ] {
        let decoder = TextDecoder::new(TextFormat::Regex(regex(&pattern, false)), schema(&columns));
        assert!(matches!(decoder, Err(FormatError::Pattern(_))), "{}", &pattern[..9]);
    }
    let none = TextDecoder::new(TextFormat::Regex(regex("(", false)), schema(&columns));
    assert!(matches!(none, Err(FormatError::Pattern(_))));
}

fn grok(pattern: &str, custom_patterns: &str) -> Grok {
    Grok {
        pattern: pattern.to_owned(),
        custom_patterns: custom_patterns.to_owned(),
        unmatched: Unmatched::Refuse,
    }
}

fn columns_of(grok: &Grok) -> Vec<(String, String)> {
    let columns = grok.columns().expect("columns");
    columns
        .into_iter()
        .map(|column| (column.name, column.type_name.unwrap_or_default()))
        .collect()
}

/// The example of Athena's user guide.
#[test]
fn grok_of_a_mail_log() {
    let grok = grok(
        "%{SYSLOGBASE} %{POSTFIX_QUEUEID:queue_id}: %{GREEDYDATA:syslog_message}",
        "POSTFIX_QUEUEID [0-9A-F]{7,12}",
    );
    let columns = [
        ("syslogbase", "string"),
        ("queue_id", "string"),
        ("syslog_message", "string"),
        ("pid", "int"),
    ];
    let record = "Feb  9 07:15:00 m4eastmail postfix/smtpd[19305]: B88C4120838: connect from unknown[192.168.55.4]";
    let expect = r#"{"syslogbase":"Feb  9 07:15:00 m4eastmail postfix/smtpd[19305]:","queue_id":"B88C4120838","syslog_message":"connect from unknown[192.168.55.4]","pid":19305}"#;
    check(TextFormat::Grok(grok), &columns, &[record, "other"], &[expect], &[1]);
}

#[test]
fn grok_of_a_web_log() {
    let grok = grok("%{COMBINEDAPACHELOG}", "");
    let names = [
        "clientip",
        "ident",
        "auth",
        "timestamp",
        "verb",
        "request",
        "httpversion",
        "rawrequest",
        "response",
        "bytes",
        "referrer",
        "agent",
    ];
    let found = columns_of(&grok);
    assert!(found.iter().all(|(_, hive)| hive == "string"));
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    let columns = [
        ("ClientIP", "string"),
        ("verb", "string"),
        ("response", "int"),
        ("bytes", "bigint"),
        ("agent", "string"),
    ];
    let records = [
        r#"2001:db8::7 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 - "http://x/" "Mozilla \"5\"""#,
        r#"host.example.org - bob [01/Jan/2024:00:00:00 +0000] "-" 408 12 "-" "-""#,
    ];
    let expect = [
        r#"{"ClientIP":"2001:db8::7","verb":"GET","response":200,"agent":"Mozilla \\\"5\\\""}"#,
        r#"{"ClientIP":"host.example.org","response":408,"bytes":12,"agent":"-"}"#,
    ];
    check(TextFormat::Grok(grok), &columns, &records, &expect, &[]);
}

/// The example of Glue's developer guide, with a type.
#[test]
fn grok_of_custom_patterns() {
    let grok = grok(
        r"%{TIMESTAMP_ISO8601:timestamp} \[%{MESSAGEPREFIX:message_prefix}\] %{CRAWLERLOGLEVEL:loglevel} : %{NUMBER:n:int} %{INT:UNWANTED} %{GREEDYDATA:message}",
        "CRAWLERLOGLEVEL (BENCHMARK|ERROR|WARN|INFO|TRACE)\n# A comment.\n\nMESSAGEPREFIX .*-.*-.*-.*-.*\n",
    );
    let expect = [
        ("timestamp", "string"),
        ("message_prefix", "string"),
        ("loglevel", "string"),
        ("n", "int"),
        ("message", "string"),
    ];
    let found = columns_of(&grok);
    assert_eq!(
        found
            .iter()
            .map(|(name, hive)| (name.as_str(), hive.as_str()))
            .collect::<Vec<_>>(),
        expect
    );
    let record = "2017-03-24T10:44:10Z [a-b-c-d-e] INFO : 12 3 all well";
    let line = r#"{"timestamp":"2017-03-24T10:44:10Z","message_prefix":"a-b-c-d-e","loglevel":"INFO","n":12,"message":"all well"}"#;
    check(TextFormat::Grok(grok), &expect, &[record], &[line], &[]);
}

/// GrokSerDe looks for the pattern anywhere, takes quotes off, and goes by order where names do not tell.
#[test]
fn grok_finds_in_records() {
    let format = || TextFormat::Grok(grok("%{WORD:word} %{INT:n:int} %{QS:text} %{REST:rest=[a-c]+}", ""));
    let records = [r#"-- one 2 "three" abcd"#, "x 1 '' a", "x 1 a", r#"x 1 "'a'" b"#];
    let named = [("REST", "string"), ("text", "string"), ("n", "int"), ("word", "string")];
    let expect = [
        r#"{"REST":"abc","text":"three","n":2,"word":"one"}"#,
        r#"{"REST":"a","text":"","n":1,"word":"x"}"#,
        r#"{"REST":"b","text":"'a'","n":1,"word":"x"}"#,
    ];
    check(format(), &named, &records, &expect, &[2]);
    let ordered = [
        ("first", "string"),
        ("second", "int"),
        ("text", "string"),
        ("last", "string"),
    ];
    let expect = [
        r#"{"first":"one","second":2,"text":"three","last":"abc"}"#,
        r#"{"first":"x","second":1,"text":"","last":"a"}"#,
        r#"{"first":"x","second":1,"text":"'a'","last":"b"}"#,
    ];
    check(format(), &ordered, &records, &expect, &[2]);
    let fewer = [("first", "string"), ("n", "int")];
    check(format(), &fewer, &records[..1], &[r#"{"n":2}"#], &[]);
}

/// The example of the access log of S3 in Athena's user guide.
#[test]
fn grok_of_an_access_log() {
    let grok = grok(
        r#"%{NOTSPACE:bucket_owner} %{NOTSPACE:bucket} \[%{INSIDE_BRACKETS:time}\] %{NOTSPACE:remote_ip} %{NOTSPACE:requester} %{NOTSPACE:request_id} %{NOTSPACE:operation} %{NOTSPACE:key} \"?%{INSIDE_QS:request_uri}\"? %{NOTSPACE:http_status} %{NOTSPACE:error_code} %{NOTSPACE:bytes_sent} %{NOTSPACE:object_size} %{NOTSPACE:total_time} %{NOTSPACE:turnaround_time} \"?%{INSIDE_QS:referrer}\"? \"?%{INSIDE_QS:user_agent}\"? %{NOTSPACE:version_id}"#,
        "INSIDE_QS ([^\\\"]*)\nINSIDE_BRACKETS ([^\\]]*)",
    );
    let record = r#"79a59df900b949e5 amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df9 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4"#;
    let columns = [
        ("bucket", "string"),
        ("time", "string"),
        ("request_uri", "string"),
        ("http_status", "int"),
        ("user_agent", "string"),
        ("version_id", "string"),
    ];
    let expect = r#"{"bucket":"amzn-s3-demo-bucket1","time":"06/Feb/2019:00:00:38 +0000","request_uri":"GET /amzn-s3-demo-bucket1?versioning HTTP/1.1","http_status":200,"user_agent":"S3Console/0.4","version_id":"-"}"#;
    check(TextFormat::Grok(grok), &columns, &[record], &[expect], &[]);
}

#[test]
fn patterns_that_are_none() {
    let many = (0..40)
        .map(|n| format!("P{n} %{{P{}}}%{{P{}}}\n", n + 1, n + 1))
        .collect::<String>();
    for (pattern, custom) in [
        ("%{NOTHING}", ""),
        ("%{INT", ""),
        ("%{INT:a:complex}", ""),
        ("%{A}", "A %{B}\nB %{A}"),
        ("%{A}", "A (unclosed"),
        ("%{INT}", "LONELY"),
        ("%{P0}", &many),
    ] {
        let decoder = TextDecoder::new(TextFormat::Grok(grok(pattern, custom)), schema(&[("a", "string")]));
        assert!(matches!(decoder, Err(FormatError::Pattern(_))), "{pattern}");
    }
}

#[test]
fn built_in_patterns_take_what_they_are_for() {
    let good = [
        ("INT", "-12"),
        ("NUMBER", "+1.5"),
        ("BASE10NUM", ".5"),
        ("BASE16NUM", "0xFf"),
        ("BASE16FLOAT", "-0x1.8"),
        ("BOOLEAN", "True"),
        ("QUOTEDSTRING", r#""a \" b""#),
        ("QS", "''"),
        ("UUID", "123e4567-e89b-12d3-a456-426614174000"),
        ("MAC", "00:1A:2b:3c:4D:5e"),
        ("MAC", "001a.2b3c.4d5e"),
        ("IPV4", "255.249.199.0"),
        ("IPV6", "::"),
        ("IPV6", "::1"),
        ("IPV6", "1::"),
        ("IPV6", "2001:db8:0:1:1:1:1:1"),
        ("IPV6", "2001:db8::1:0:0:1"),
        ("IPV6", "::ffff:192.0.2.128"),
        ("IPV6", "1:2:3:4:5:6:1.2.3.4"),
        ("IPORHOST", "a-b.example.org"),
        ("HOSTPORT", "localhost:4566"),
        ("PATH", "/usr/local/lib"),
        ("PATH", r"C:\Program Files\x"),
        ("TTY", "/dev/pts/3"),
        ("URI", "https://bob:secret@example.org:8443/a/b?c=d#e"),
        ("MONTH", "February"),
        ("MONTHNUM", "7"),
        ("MONTHDAY", "31"),
        ("DAY", "Thu"),
        ("YEAR", "2024"),
        ("TIME", "23:59:60.5"),
        ("DATE_US", "12/31/99"),
        ("DATE_EU", "31.12.1999"),
        ("DATESTAMP_EU", "31-12-1999 01:02:03"),
        ("TIMESTAMP_ISO8601", "2024-02-29 12:00:00,123+01:00"),
        ("DATESTAMP_RFC822", "Mon Jan 02 2006 15:04:05 MST"),
        ("DATESTAMP_RFC2822", "Mon, 2 Jan 2006 15:04:05 -0700"),
        ("DATESTAMP_OTHER", "Mon Jan 2 15:04:05 UTC 2006"),
        ("DATESTAMP_EVENTLOG", "20060102150405"),
        ("HTTPDATE", "02/Jan/2006:15:04:05 -0700"),
        ("SYSLOGTIMESTAMP", "Jan  2 15:04:05"),
        ("SYSLOGPROG", "cron[77]"),
        ("SYSLOGFACILITY", "<3.5>"),
        ("LOGLEVEL", "WARNING"),
    ];
    for (pattern, text) in good {
        let format = TextFormat::Grok(grok(&format!("^%{{{pattern}:a}}$"), ""));
        let mut decoder = TextDecoder::new(format, schema(&[("a", "string")])).expect("a decoder");
        decoder
            .push(text.as_bytes())
            .unwrap_or_else(|_| panic!("{pattern} {text}"));
    }
    let bad = [
        ("INT", "1.5"),
        ("POSINT", "0"),
        ("IPV4", "256.1.1.1"),
        ("IPV6", "1:2:3"),
        ("IPV6", "1::2::3"),
        ("MONTHNUM", "13"),
        ("MONTHDAY", "32"),
        ("HOUR", "24"),
        ("TIME", "12:60:00"),
        ("UUID", "123e4567"),
        ("WORD", "two words"),
        ("NOTSPACE", " "),
    ];
    for (pattern, text) in bad {
        let format = TextFormat::Grok(grok(&format!("^%{{{pattern}:a}}$"), ""));
        let mut decoder = TextDecoder::new(format, schema(&[("a", "string")])).expect("a decoder");
        assert!(decoder.push(text.as_bytes()).is_err(), "{pattern} {text}");
    }
    for (name, _) in super::grok_patterns::BUILT_IN {
        let format = TextFormat::Grok(grok(&format!("%{{{name}}}"), ""));
        assert!(TextDecoder::new(format, schema(&[("a", "string")])).is_ok(), "{name}");
    }
}

#[test]
fn columns_out_of_a_record() {
    let record = schema(&[("a", "int"), ("b", "string"), ("c", "int")]);
    let wanted = schema(&[("c", "int"), ("a", "int")]);
    let format = TextFormat::Quoted(Quoted::default());
    let mut decoder = TextDecoder::projected(format, wanted, &record).expect("a decoder");
    let (batch, rejected) = decoder.decode(&[b"1,x,2", b"3,y,z", b"5"]).expect("decodes");
    let lines = write_json_lines(&batch, JsonLines { nulls: true }).expect("writes");
    assert_eq!(lines, b"{\"c\":2,\"a\":1}\n{\"c\":null,\"a\":5}\n");
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].message.contains("'z' for field 2 (c)"), "{rejected:?}");
}
