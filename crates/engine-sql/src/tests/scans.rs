use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use engine_formats::Compression;

use super::{Lake, batch};
use crate::Outcome;

#[tokio::test]
async fn parquet_reads_only_what_a_query_needs() {
    let lake = Lake::open().await;
    for (month, rows) in [(1, 5_000_i64), (2, 5_000)] {
        let numbers = Int64Array::from_iter_values(0..rows);
        let wide = StringArray::from_iter_values((0..rows).map(|n| format!("{n:0>64}")));
        let table = batch(vec![("n", Arc::new(numbers)), ("wide", Arc::new(wide))]);
        lake.put_parquet(&format!("t/month={month}/part-0.parquet"), &table)
            .await;
    }
    lake.put("t/month=1/_SUCCESS", "x").await;
    lake.lines(
        "create external table t (n bigint, wide string, missing double) partitioned by (month int) \
         stored as parquet location 's3://lake/t/'",
    )
    .await;
    lake.lines("msck repair table t").await;
    assert_eq!(
        lake.lines("select count(*), sum(n), count(missing) from t").await,
        ["10000|24995000|0"]
    );

    let all = lake.ask("select max(wide), max(n) from t").await.unwrap();
    let one_column = lake.ask("select sum(n) from t").await.unwrap();
    let one_partition = lake.ask("select sum(n) from t where month = 2").await.unwrap();
    let one_group = lake
        .ask("select sum(n) from t where month = 2 and n < 10")
        .await
        .unwrap();
    assert_eq!(one_group.rows[0][0].as_deref(), Some("45"));
    assert!(
        one_column.bytes_scanned * 3 < all.bytes_scanned,
        "{} of {}",
        one_column.bytes_scanned,
        all.bytes_scanned
    );
    assert!(one_partition.bytes_scanned < one_column.bytes_scanned);
    assert!(
        one_group.bytes_scanned * 3 < one_partition.bytes_scanned * 2,
        "{} of {}",
        one_group.bytes_scanned,
        one_partition.bytes_scanned
    );
    // Parts of keys, and expressions over them.
    for (condition, expect) in [
        ("month in (1, 5)", "5000"),
        ("month + 1 = 3", "5000"),
        ("month > 2", "0"),
        ("month is null", "0"),
    ] {
        assert_eq!(
            lake.lines(&format!("select count(*) from t where {condition}")).await,
            [expect],
            "{condition}"
        );
    }
}

#[tokio::test]
async fn json_lines_of_every_type() {
    let lake = Lake::open().await;
    lake.lines(
        "create external table t (i int, big bigint, f double, dec decimal(5,2), s string, b boolean, d date, ts timestamp, \
         tags array<string>, m map<string,int>, r struct<A:int,b:string>, raw string) \
         row format serde 'org.openx.data.jsonserde.JsonSerDe' location 's3://lake/j/'",
    )
    .await;
    lake.put(
        "j/a.json",
        r#"{"I":1,"big":9007199254740993,"f":1,"dec":1.5,"s":"x","b":true,"d":"2013-01-31","ts":"2013-01-31 10:11:12.5","tags":["p",null],"m":{"k":1},"r":{"a":7,"B":"z"},"raw":{"q":[1,2]}}
{"i":null,"f":2.5,"s":5,"unknown":{"x":1}}

{"i":"3","dec":"2.25","ts":1359627072,"b":"false"}
"#,
    )
    .await;
    assert_eq!(
        lake.lines("select * from t order by i").await,
        [
            r#"1|9007199254740993|1.0|1.50|x|true|2013-01-31|2013-01-31 10:11:12.500|[p, null]|{k=1}|{a=7, b=z}|{"q":[1,2]}"#,
            "3|NULL|NULL|2.25|NULL|false|NULL|2013-01-31 10:11:12.000|NULL|NULL|NULL|NULL",
            "NULL|NULL|2.5|NULL|5|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ]
    );
    assert_eq!(
        lake.lines("select r.a, r.b, tags[1], m['k'] from t where i = 1").await,
        ["7|z|p|1"]
    );
    assert_eq!(lake.lines("select count(*) from t").await, ["4"]);
    lake.put("j/b.json", "{\"i\":1\n").await;
    assert!(
        lake.error("select i from t")
            .await
            .contains("HIVE_CURSOR_ERROR: Row is not a valid JSON Object")
    );
    lake.put("j/b.json", "{\"i\":\"one\"}\n").await;
    assert!(lake.error("select i from t").await.contains("HIVE_BAD_DATA"));
    lake.lines(
        "create external table lenient (i int) row format serde 'org.openx.data.jsonserde.JsonSerDe' \
         with serdeproperties ('ignore.malformed.json'='true') location 's3://lake/k/'",
    )
    .await;
    lake.put("k/b.json", "{\"i\":1\n{\"i\":2}\nnot json\n").await;
    assert_eq!(
        lake.lines("select i from lenient order by i").await,
        ["2", "NULL", "NULL"]
    );
}

#[tokio::test]
async fn delimited_and_quoted_text_plain_and_packed() {
    let lake = Lake::open().await;
    lake.lines(
        "create external table c (a string, b int, c string) row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde' \
         location 's3://lake/c/' tblproperties ('skip.header.line.count'='1')",
    )
    .await;
    let text = "a,b,c\n\"x,\"\"y\"\"\",1,\n";
    let packed = Compression::Gzip.compress(text.into(), "").unwrap();
    lake.put("c/a.csv.gz", packed).await;
    lake.put("c/b.csv", "a,b,c\r\nplain,2,\"last\"\r\n").await;
    assert_eq!(
        lake.lines("select * from c order by b").await,
        ["x,\"y\"|1|", "plain|2|last"]
    );

    lake.lines(
        "create external table d (a string, n int, items array<int>, m map<string,string>, rest string) \
         row format delimited fields terminated by '|' collection items terminated by ',' map keys terminated by ':' \
         location 's3://lake/d/'",
    )
    .await;
    lake.put("d/x.txt", "p|1|1,2|k:v,l:w|tail|extra\n\\N|no number||\nshort")
        .await;
    assert_eq!(
        lake.lines("select * from d").await,
        [
            "p|1|[1, 2]|{k=v, l=w}|tail",
            "NULL|NULL|[]|{}|NULL",
            "short|NULL|NULL|NULL|NULL"
        ]
    );
    let others = [
        (Compression::Bzip2, "bz2"),
        (Compression::Zstd, "zst"),
        (Compression::HadoopSnappy, "snappy"),
        (Compression::Snappy, "snappy"),
        (Compression::Gzip, "gz"),
    ];
    for (n, (compression, extension)) in others.into_iter().enumerate() {
        let text: String = (0..10_000).map(|row| format!("{n}|{row}\n")).collect();
        let packed = compression.compress(text.into(), "").unwrap();
        lake.put(&format!("z/part-{n}.txt.{extension}"), packed).await;
    }
    lake.lines("create external table z (n int, row int) row format delimited fields terminated by '|' location 's3://lake/z/'")
        .await;
    assert_eq!(
        lake.lines("select n, count(*), sum(row) from z group by n order by n")
            .await,
        (0..5).map(|n| format!("{n}|10000|49995000")).collect::<Vec<_>>()
    );
    lake.put("z/broken.bz2", "no bzip2").await;
    let error = lake.error("select count(*) from z").await;
    assert!(error.contains("HIVE_CURSOR_ERROR: s3://lake/z/broken.bz2"), "{error}");
    lake.put("z/other.lz4", "x").await;
    let error = lake.error("select count(*) from z").await;
    assert!(
        error.contains("NOT_SUPPORTED: reading the compressed file s3://lake/z/other.lz4"),
        "{error}"
    );
}

/// Properties may stand with the table or with its SerDe.
#[tokio::test]
async fn text_by_the_properties_of_its_serde() {
    let lake = Lake::open().await;
    lake.put("t/a.txt", b"\xef\xbb\xbfh\r1|\r\n2|-|x|y\n|a\\|b|z\n".to_vec())
        .await;
    lake.lines(
        "create external table t (n int, a string, rest string) row format delimited fields terminated by '|' \
         escaped by '\\\\' location 's3://lake/t/' tblproperties ('skip.header.line.count'='1', \
         'serialization.null.format'='', 'serialization.last.column.takes.rest'='true')",
    )
    .await;
    assert_eq!(
        lake.lines("select * from t").await,
        ["1|NULL|NULL", "2|-|x|y", "NULL|a|b|z"]
    );
    lake.put("latin/a.csv", b"Stra\xdfe,1\n".to_vec()).await;
    for (name, encoding) in [("latin", "ISO-8859-1"), ("wide", "UTF-16LE")] {
        lake.lines(&format!(
            "create external table {name} (s string, n int) row format serde \
             'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' with serdeproperties ('field.delim'=',', \
             'serialization.encoding'='{encoding}') location 's3://lake/latin/'"
        ))
        .await;
    }
    assert_eq!(lake.lines("select * from latin").await, ["Straße|1"]);
    assert!(lake.error("select * from wide").await.contains("NOT_SUPPORTED"));

    lake.put("q/a.csv", "18276,1579059880000,\n,,\n\n\"x\"\"y\n").await;
    let csv = |name: &str, properties: &str, table_properties: &str| {
        format!(
            "create external table {name} (d date, t timestamp, s string) row format serde \
             'org.apache.hadoop.hive.serde2.OpenCSVSerde' {properties} location 's3://lake/q/' {table_properties}"
        )
    };
    lake.lines(&csv("strict", "", "")).await;
    lake.lines(&csv(
        "lenient",
        "",
        "tblproperties ('use.null.for.invalid.data'='true')",
    ))
    .await;
    lake.lines(&csv("same", "with serdeproperties ('separatorChar'='\"')", ""))
        .await;
    let error = lake.error("select * from strict").await;
    assert!(
        error.contains("HIVE_BAD_DATA: Error parsing field value '' for field 0"),
        "{error}"
    );
    assert_eq!(
        lake.lines("select * from lenient").await,
        [
            "2020-01-15|2020-01-15 03:44:40.000|",
            "NULL|NULL|",
            "NULL|NULL|NULL",
            "NULL|NULL|NULL"
        ]
    );
    assert!(lake.error("select * from same").await.contains("HIVE_INVALID_METADATA"));
    lake.lines(
        "create external table deep (a array<array<array<array<array<array<array<array<int>>>>>>>>) \
         location 's3://lake/q/'",
    )
    .await;
    assert!(lake.error("select * from deep").await.contains("HIVE_INVALID_METADATA"));
}

/// Two stripes or blocks of rows that count on, with columns of many types.
fn files_of_every_type() -> (engine_formats::SchemaRef, Vec<arrow::array::RecordBatch>) {
    let columns = [
        ("Id", "int"),
        ("small", "smallint"),
        ("f", "float"),
        ("dec", "decimal(9,2)"),
        ("s", "string"),
        ("b", "boolean"),
        ("bin", "binary"),
        ("d", "date"),
        ("ts", "timestamp"),
        ("l", "array<struct<X:int,y:string>>"),
        ("m", "map<string,bigint>"),
    ];
    let columns = columns.map(|(name, hive)| engine_catalog::Column::new(name, hive));
    let schema = engine_formats::arrow_schema(&columns).unwrap();
    let batches = [0..2_000, 2_000..3_000].map(|rows: std::ops::Range<u32>| {
        let mut decoder = engine_formats::JsonDecoder::new(schema.clone(), Default::default());
        for n in rows {
            let row = format!(
                r#"{{"Id":{n},"small":{},"f":0.5,"dec":"{n}.25","s":"row {n}","b":{},"bin":"ab","d":"2020-02-29",
                "ts":"2020-02-29 12:00:00.5","l":[{{"x":{n},"y":"z"}},null],"m":{{"k":{n}}}}}"#,
                n % 100,
                n % 2 == 0
            );
            decoder.push(row.as_bytes()).unwrap();
        }
        decoder.finish().unwrap()
    });
    (schema, batches.to_vec())
}

const EVERY_TYPE: &str = "(id bigint, small tinyint, f double, dec decimal(12,4), s varchar(20), b boolean, bin binary, \
                          d date, ts timestamp, l array<struct<y:string,x:bigint,new:int>>, m map<string,int>, \
                          missing string)";

#[tokio::test]
async fn orc_by_place_and_by_name() {
    let lake = Lake::open().await;
    let (schema, batches) = files_of_every_type();
    let mut writer = engine_formats::OrcWriter::new(&schema, engine_formats::OrcOptions::default()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    lake.put("o/a.orc", writer.finish()).await;
    lake.lines(&format!(
        "create external table o {EVERY_TYPE} stored as orc location 's3://lake/o/'"
    ))
    .await;
    let row =
        "1|1|0.5|1.2500|row 1|false|61 62|2020-02-29|2020-02-29 12:00:00.500|[{y=z, x=1, new=null}, null]|{k=1}|NULL";
    assert_eq!(lake.lines("select * from o where id = 1").await, [row]);
    assert_eq!(
        lake.lines("select count(*), sum(id), max(m['k']), count(missing) from o")
            .await,
        ["3000|4498500|2999|0"]
    );
    let one = lake.ask("select sum(small) from o").await.unwrap();
    let all = lake.ask("select * from o").await.unwrap();
    assert!(one.bytes_scanned < all.bytes_scanned, "{}", one.bytes_scanned);
    // By place unless the table says otherwise.
    let other = "(s string, id int)";
    for (name, properties) in [
        ("by_place", ""),
        ("by_name", "with serdeproperties ('orc.column.index.access'='false')"),
    ] {
        lake.lines(&format!(
            "create external table {name} {other} row format serde 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' \
             {properties} stored as inputformat 'org.apache.hadoop.hive.ql.io.orc.OrcInputFormat' \
             outputformat 'org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat' location 's3://lake/o/'"
        ))
        .await;
    }
    assert_eq!(lake.lines("select * from by_name where id = 7").await, ["row 7|7"]);
    assert_eq!(lake.lines("select count(*) from by_place").await, ["3000"]);
    let error = lake.error("select s from by_place").await;
    let expect = "HIVE_BAD_DATA: Malformed ORC file. Cannot read SQL type 'varchar' from ORC stream '.s' of type INT with attributes {}";
    assert!(error.starts_with(expect), "{error}");
    lake.lines("create external table narrow (id tinyint) stored as orc location 's3://lake/o/'")
        .await;
    let error = lake.error("select id from narrow").await;
    assert!(error.starts_with("HIVE_BAD_DATA: the column id"), "{error}");
    lake.put("o/b.orc", "ORC is not this").await;
    let error = lake.error("select id from o").await;
    assert!(
        error.contains("HIVE_CURSOR_ERROR: Failed to read ORC file: s3://lake/o/b.orc"),
        "{error}"
    );
}

#[tokio::test]
async fn avro_by_name_and_by_a_schema() {
    let lake = Lake::open().await;
    let (schema, batches) = files_of_every_type();
    let file = engine_formats::write_avro(&schema, &batches, engine_formats::AvroCompression::Snappy).unwrap();
    lake.put("a/a.avro", file.clone()).await;
    lake.lines(&format!(
        "create external table a {EVERY_TYPE} stored as avro location 's3://lake/a/'"
    ))
    .await;
    let row =
        "1|1|0.5|1.2500|row 1|false|61 62|2020-02-29|2020-02-29 12:00:00.500|[{y=z, x=1, new=null}, null]|{k=1}|NULL";
    assert_eq!(lake.lines("select * from a where id = 1").await, [row]);
    assert_eq!(
        lake.lines("select count(*), sum(id), max(m['k']), count(missing) from a")
            .await,
        ["3000|4498500|2999|0"]
    );
    assert_eq!(lake.lines("select count(*) from a").await, ["3000"]);
    lake.lines(
        r#"create external table literal (id double, level string, absent string)
        row format serde 'org.apache.hadoop.hive.serde2.avro.AvroSerDe' with serdeproperties ('avro.schema.literal'='
        {"type": "record", "name": "Some", "fields": [
            {"name": "level", "type": "string", "default": "low"},
            {"name": "Id", "type": ["null", "double"], "default": null}]}')
        stored as inputformat 'org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat'
        outputformat 'org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat' location 's3://lake/a/'"#,
    )
    .await;
    assert_eq!(
        lake.lines("select absent, level, id from literal order by id desc limit 1")
            .await,
        ["NULL|low|2999.0"]
    );
    lake.lines("create external table other (s int) stored as avro location 's3://lake/a/'")
        .await;
    let error = lake.error("select s from other").await;
    assert!(
        error.starts_with("HIVE_BAD_DATA: Cannot read SQL type 'integer' from the Avro column 's' of type varchar"),
        "{error}"
    );
    lake.put("a/b.avro", file[..file.len() - 100].to_vec()).await;
    let error = lake.error("select count(*) from a").await;
    assert!(
        error.contains("HIVE_CURSOR_ERROR: Failed to read Avro file: s3://lake/a/b.avro"),
        "{error}"
    );
    lake.lines(
        "create external table url (a int) row format serde 'org.apache.hadoop.hive.serde2.avro.AvroSerDe' \
         with serdeproperties ('avro.schema.url'='s3://lake/x.avsc') location 's3://lake/a/'",
    )
    .await;
    assert!(
        lake.error("select * from url")
            .await
            .contains("NOT_SUPPORTED: avro.schema.url")
    );
}

#[tokio::test]
async fn large_text_files_are_read_in_parts_without_loss() {
    let lake = Lake::open().await;
    let mut text = String::from("n,square\n");
    for n in 0..1_500_000_u64 {
        text.push_str(&format!("{n},{}\n", n % 1_000));
    }
    assert!(text.len() > 15 << 20);
    lake.put("big/a.csv", text.clone()).await;
    lake.lines(
        "create external table big (n bigint, square int) row format delimited fields terminated by ',' \
         location 's3://lake/big/' tblproperties ('skip.header.line.count'='1')",
    )
    .await;
    assert_eq!(
        lake.lines("select count(*), count(distinct n), sum(square) from big")
            .await,
        ["1500000|1500000|749250000"]
    );
    assert_eq!(lake.lines("select n from big limit 1").await.len(), 1);
}

#[tokio::test]
async fn a_dropped_query_stops_and_memory_has_a_bound() {
    let lake = Lake::with(|settings| settings.memory_bytes_max = 32 << 20).await;
    let endless =
        "select count(*) from generate_series(1, 100000000) as a(x) cross join generate_series(1, 100000) as b(y)";
    let statement = lake.engine.parse(endless).await.unwrap();
    let Outcome::Rows(rows) = lake.engine.run(&lake.session, statement).await.unwrap() else {
        panic!("no rows")
    };
    let running = lake.engine.running();
    assert!(running > 0);
    drop(rows);
    // The engine's tasks go, though the query would have taken years.
    while lake.engine.running() > 0 {
        tokio::task::yield_now().await;
    }
    // The side of a join that is built cannot spill.
    let grouped = "select count(*) from generate_series(1, 3000000) as a(x) \
                   join generate_series(1, 3000000) as b(y) on a.x * 2 = b.y * 3";
    let error = lake.error(grouped).await;
    assert!(error.contains("exhausted resources"), "{error}");
    // A sort spills.
    let sorted = "select x, n from (select x, row_number() over (order by -x) as n from generate_series(1, 1000000) as t(x)) \
                  where n > 999998 order by n";
    assert_eq!(lake.lines(sorted).await, ["2|999999", "1|1000000"]);
}

#[tokio::test]
async fn parquet_columns_are_found_whatever_their_case() {
    use arrow::array::{ArrayRef, ListArray, StructArray};
    use arrow::datatypes::Field;
    let lake = Lake::open().await;
    let row = |name: &str, values: ArrayRef| {
        let field = Arc::new(Field::new(name, values.data_type().clone(), true));
        Arc::new(StructArray::from(vec![(field, values)])) as ArrayRef
    };
    let inner = row("DeepOne", Arc::new(Int64Array::from(vec![7, 8])));
    let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([1, 1]);
    let list = ListArray::new(item, offsets, inner.clone(), None);
    let table = batch(vec![
        ("FlightDate", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
        ("plain", Arc::new(Int64Array::from(vec![1, 2]))),
        ("Nested", row("Inner", inner)),
        ("Items", Arc::new(list)),
    ]);
    lake.put_parquet("t/a.parquet", &table).await;
    lake.lines(
        "create external table t (flightdate string, plain bigint, nested struct<inner:struct<deepone:bigint>>, \
         items array<struct<deepone:bigint>>) stored as parquet location 's3://lake/t/'",
    )
    .await;
    assert_eq!(
        lake.lines("select * from t order by plain").await,
        [
            "a|1|{inner={deepone=7}}|[{deepone=7}]",
            "b|2|{inner={deepone=8}}|[{deepone=8}]"
        ]
    );
    assert_eq!(
        lake.lines("select plain from t where flightdate = 'b' and nested.inner.deepone > 7")
            .await,
        ["2"]
    );
    assert_eq!(
        lake.lines("select count(flightdate), count(items[1]) from t").await,
        ["2|2"]
    );
}

#[tokio::test]
async fn text_that_cannot_be_unpacked_is_not_read_as_it_is() {
    let lake = Lake::open().await;
    lake.lines("create external table t (x string) location 's3://lake/t/'")
        .await;
    for ending in ["lz4", "lzo", "deflate", "zip"] {
        let key = format!("t/a.{ending}");
        lake.put(&key, "packed").await;
        let error = lake.error("select * from t").await;
        assert!(
            error
                .to_string()
                .contains(&format!("reading the compressed file s3://lake/{key}")),
            "{error}"
        );
        lake.objects.delete("lake", &key).await.unwrap();
    }
}

#[tokio::test]
async fn delimiters_that_are_not_ascii() {
    let lake = Lake::open().await;
    for (name, delimiter, line) in [
        ("a", "é", "x\u{e9}lü\u{e9}3\n".as_bytes().to_vec()),
        ("b", "é", b"x\xe9y\xe93\n".to_vec()),
        ("c", "-2", b"x\xfel\xc3\xbc\xfe3\n".to_vec()),
        ("d", "→", "x→lü→3\n".as_bytes().to_vec()),
    ] {
        lake.put(&format!("{name}/x.txt"), line).await;
        lake.lines(&format!(
            "create external table {name} (x string, y string, n int) row format serde \
             'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' with serdeproperties ('field.delim'='{delimiter}') \
             location 's3://lake/{name}/'"
        ))
        .await;
        let expect = if name == "b" { "x|y|3" } else { "x|lü|3" };
        assert_eq!(lake.lines(&format!("select * from {name}")).await, [expect], "{name}");
    }
}

#[tokio::test]
async fn lines_that_a_pattern_takes_apart() {
    let lake = Lake::open().await;
    lake.put(
        "logs/a.log",
        "2024-02-29 ERROR 17 disk full\nnothing of the kind\n2024-03-01 INFO x all well\n",
    )
    .await;
    lake.lines(
        "create external table r (day date, level string, code int, message string) row format serde \
         'org.apache.hadoop.hive.serde2.RegexSerDe' with serdeproperties \
         ('input.regex'='([^ ]+) (ERROR|INFO) ([^ ]+) (.*)') location 's3://lake/logs/'",
    )
    .await;
    lake.lines(
        "create external table g (message string, code int, level string) row format serde \
         'com.amazonaws.glue.serde.GrokSerDe' with serdeproperties \
         ('input.format'='%{NOTSPACE:day} %{LEVEL:level} %{NOTSPACE:code} %{GREEDYDATA:message}', \
         'input.grokCustomPatterns'='LEVEL ERROR|INFO') location 's3://lake/logs/'",
    )
    .await;
    assert_eq!(
        lake.lines("select * from r").await,
        [
            "2024-02-29|ERROR|17|disk full",
            "NULL|NULL|NULL|NULL",
            "2024-03-01|INFO|NULL|all well"
        ]
    );
    assert_eq!(
        lake.lines("select code, level from g where message = 'disk full'")
            .await,
        ["17|ERROR"]
    );
    assert_eq!(lake.lines("select count(*) from g").await, ["3"]);
    for (name, pattern) in [("unclosed", "'input.regex'='('"), ("missing", "'x'='y'")] {
        lake.lines(&format!(
            "create external table {name} (a string) row format serde 'org.apache.hadoop.hive.serde2.RegexSerDe' \
             with serdeproperties ({pattern}) location 's3://lake/logs/'"
        ))
        .await;
        let error = lake.error(&format!("select * from {name}")).await;
        assert!(error.contains("HIVE_INVALID_METADATA"), "{error}");
    }
}

#[tokio::test]
async fn the_options_of_the_json_serde_hold_in_queries() {
    let lake = Lake::open().await;
    lake.put("j/a.json", r#"{"timestamp":"5","a.b":"x","Kept":"y"}"#).await;
    lake.lines(
        "create external table j (ts string, a_b string, kept string) row format serde \
         'org.openx.data.jsonserde.JsonSerDe' with serdeproperties ('mapping.ts'='timestamp', 'dots.in.keys'='true') \
         location 's3://lake/j/'",
    )
    .await;
    assert_eq!(lake.lines("select * from j").await, ["5|x|y"]);
    lake.lines(
        "create external table exact (kept string) row format serde 'org.openx.data.jsonserde.JsonSerDe' \
         with serdeproperties ('case.insensitive'='false') location 's3://lake/j/'",
    )
    .await;
    assert_eq!(lake.lines("select * from exact").await, ["NULL"]);
}

#[tokio::test]
async fn tables_that_cannot_be_read_say_so_and_are_listed() {
    let lake = Lake::open().await;
    lake.lines("create external table o (a int) stored as sequencefile location 's3://lake/o/'")
        .await;
    lake.lines(
        "create external table p (a int) partitioned by (day string) stored as parquet location 's3://lake/p/' \
         tblproperties ('projection.enabled'='true')",
    )
    .await;
    let view = engine_catalog::TableSpec {
        name: "v".into(),
        table_type: Some("VIRTUAL_VIEW".into()),
        ..Default::default()
    };
    let catalog = lake.engine.catalog();
    catalog
        .create_table(&lake.session.scope, "default", view)
        .await
        .unwrap();
    // Their logs say which of the files at their locations are theirs.
    for (name, parameter) in [
        ("d", "'table_type'='DELTA'"),
        ("e", "'spark.sql.sources.provider'='delta'"),
        ("i", "'table_type'='iceberg'"),
    ] {
        let at = format!("location 's3://lake/{name}/' tblproperties ({parameter})");
        lake.lines(&format!("create external table {name} (a int) stored as parquet {at}"))
            .await;
    }
    for (table, why) in [
        ("o", "format"),
        ("p", "projection"),
        ("v", "view"),
        ("d", "reading Delta tables (table default.d)"),
        ("e", "reading Delta tables (table default.e)"),
        ("i", "reading Iceberg tables (table default.i)"),
    ] {
        let error = lake.error(&format!("select count(*) from {table}")).await;
        assert!(error.contains("NOT_SUPPORTED") && error.contains(why), "{error}");
    }
    assert_eq!(
        lake.lines(
            "select table_name, table_type from information_schema.tables where table_schema = 'default' order by 1"
        )
        .await,
        [
            "d|BASE TABLE",
            "e|BASE TABLE",
            "i|BASE TABLE",
            "o|BASE TABLE",
            "p|BASE TABLE",
            "v|VIEW"
        ]
    );
    assert_eq!(
        lake.lines("select column_name from information_schema.columns where table_name = 'p' order by 1")
            .await,
        ["a", "day"]
    );
}

#[tokio::test]
async fn buckets_of_other_accounts_are_closed() {
    let lake = Lake::open().await;
    let other = base::Scope::new("123456789012".parse().unwrap(), base::Region::default_region());
    lake.objects.create_bucket(&other, "theirs").await.unwrap();
    let put = lake
        .objects
        .put_bytes("theirs", "t/a.json", "{\"i\":1}".into(), Default::default());
    put.await.unwrap();
    lake.lines(
        "create external table t (i int) partitioned by (k int) row format serde 'org.openx.data.jsonserde.JsonSerDe' \
         location 's3://theirs/t/'",
    )
    .await;
    lake.lines("alter table t add partition (k = 1) location 's3://theirs/t/'")
        .await;
    for statement in ["select * from t", "msck repair table t"] {
        let error = lake.error(statement).await;
        assert!(
            error.contains("Permission denied on S3 path: s3://theirs/t/"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_query_that_would_read_too_much_is_cut_off() {
    let mut lake = Lake::open().await;
    let table = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..100_000)))]);
    lake.put_parquet("p/a.parquet", &table).await;
    lake.put("t/a.csv", "1\n".repeat(2 << 20)).await;
    lake.lines("create external table p (n bigint) stored as parquet location 's3://lake/p/'")
        .await;
    lake.lines("create external table t (n bigint) location 's3://lake/t/'")
        .await;
    lake.session.read_bytes_max = Some(100_000);
    for table in ["p", "t"] {
        let Err(error) = lake.ask(&format!("select sum(n) from {table}")).await else {
            panic!("{table} was read")
        };
        assert_eq!(error.kind, crate::ErrorKind::CutOff, "{error}");
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_is_not_read_as_the_listed_one() {
    use object_store::{ObjectStore as _, ObjectStoreExt as _};
    let lake = Lake::open().await;
    lake.put("t/a.csv", "1\n").await;
    let objects = lake.engine.objects(&lake.session);
    let location = crate::objects::Location::parse("s3://lake/t/").unwrap();
    let listed = objects.files(&location).await.unwrap();
    let store = crate::objects::CountingStore::new(objects, Arc::default());
    let path = &listed[0].meta.location;
    assert_eq!(
        store.get_ranges(path, std::slice::from_ref(&(0..2))).await.unwrap()[0],
        "1\n"
    );
    lake.put("t/a.csv", "2\n").await;
    assert!(store.get_ranges(path, std::slice::from_ref(&(0..2))).await.is_err());
    assert!(store.get(path).await.is_err());
}
