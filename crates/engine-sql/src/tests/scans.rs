use std::io::Write;
use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};

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
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"a,b,c\n\"x,\"\"y\"\"\",1,\n").unwrap();
    lake.put("c/a.csv.gz", gzip.finish().unwrap()).await;
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
    lake.lines("create external table o (a int) stored as orc location 's3://lake/o/'")
        .await;
    assert!(
        lake.error("select * from o")
            .await
            .contains("NOT_SUPPORTED: reading tables in the format")
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
    let statement = lake.engine.parse(endless).unwrap();
    let Outcome::Rows(rows) = lake.engine.run(&lake.session, statement).await.unwrap() else {
        panic!("no rows")
    };
    drop(rows);
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
