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

#[test]
fn fields_in_quotes() {
    let columns = [("a", "string"), ("n", "int"), ("b", "string")];
    let records = [
        r#""x,""y""",1,z"#,
        r#"a,no number,b"#,
        r#""back\\slash \" quote",2,"end"#,
        r"plain \ stays,3,",
        "4,4",
    ];
    let expect = [
        r#"{"a":"x,\"y\"","n":1,"b":"z"}"#,
        r#"{"a":"back\\slash \" quote","n":2,"b":"end"}"#,
        r#"{"a":"plain \\ stays","n":3,"b":""}"#,
        r#"{"a":"4","n":4}"#,
    ];
    check(TextFormat::Quoted(Quoted::default()), &columns, &records, &expect, &[1]);
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
    // One that would take for ever.
    let endless = TextFormat::Regex(regex(r"((a*)*)*\2b", false));
    let mut decoder = TextDecoder::new(endless, schema(&columns)).expect("a decoder");
    assert!(decoder.push("a".repeat(40).as_bytes()).is_err());
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
        r#"{"ClientIP":"2001:db8::7","verb":"GET","response":200,"agent":"\"Mozilla \\\"5\\\"\""}"#,
        r#"{"ClientIP":"host.example.org","response":408,"bytes":12,"agent":"\"-\""}"#,
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
        let format = TextFormat::Grok(grok(&format!("%{{{pattern}:a}}"), ""));
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
        let format = TextFormat::Grok(grok(&format!("%{{{pattern}:a}}"), ""));
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
