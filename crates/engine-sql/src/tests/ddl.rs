use super::Lake;

const TABLE: &str = "create external table if not exists flights (carrier string comment 'the airline', delay int) \
    partitioned by (year int, month int) row format serde 'org.openx.data.jsonserde.JsonSerDe' \
    location 's3://lake/flights/' tblproperties ('owner'='me')";

#[tokio::test]
async fn a_table_from_creation_to_its_end() {
    let lake = Lake::open().await;
    lake.lines("create database if not exists air comment 'of the air'")
        .await;
    assert_eq!(lake.lines("show databases").await, ["air", "default"]);
    assert!(lake.error("create schema air").await.contains("already exists"));
    lake.lines(TABLE).await;
    lake.lines(TABLE).await;
    assert_eq!(lake.lines("show tables 'fl*'").await, ["flights"]);
    assert_eq!(lake.lines("show tables in air").await, [""; 0]);
    assert!(
        lake.error("show tables in nowhere")
            .await
            .contains("Database does not exist")
    );
    assert_eq!(
        lake.lines("describe flights").await,
        [
            "carrier             \tstring              \tthe airline         ",
            "delay               \tint                 \t                    ",
            "year                \tint                 \t                    ",
            "month               \tint                 \t                    ",
            "\t \t ",
            "# Partition Information\t \t ",
            "# col_name          \tdata_type           \tcomment             ",
            "\t \t ",
            "year                \tint                 \t                    ",
            "month               \tint                 \t                    ",
        ]
    );
    let create = lake.lines("show create table flights").await.join("\n");
    lake.lines("drop table flights").await;
    assert!(
        lake.error("drop table flights")
            .await
            .contains("[Error 10001]: Table not found default.flights")
    );
    // What it shows makes the same table.
    lake.lines(&create.replace("`default.flights`", "`default`.`flights`"))
        .await;
    assert_eq!(lake.lines("show create table flights").await.join("\n"), create);
    assert!(lake.error("drop database default").await.contains("is not empty"));
    lake.lines("drop database default cascade").await;
    assert_eq!(lake.lines("show schemas").await, ["air"]);
}

#[tokio::test]
async fn partitions_by_hand_and_by_repair() {
    let lake = Lake::open().await;
    lake.lines(TABLE).await;
    lake.put("flights/year=2013/month=1/a.json", "{\"carrier\":\"UA\",\"delay\":5}\n")
        .await;
    lake.put("flights/year=2013/month=2/a.json", "{\"carrier\":\"AA\",\"delay\":7}\n")
        .await;
    lake.put("elsewhere/x.json", "{\"carrier\":\"DL\"}\n").await;
    assert_eq!(lake.lines("select count(*) from flights").await, ["0"]);
    let lines = lake.lines("msck repair table flights").await;
    assert_eq!(
        lines[0],
        "Partitions not in metastore:\tflights:year=2013/month=1\tflights:year=2013/month=2"
    );
    assert_eq!(lake.lines("msck repair table flights").await, [""; 0]);
    lake.lines("alter table flights add if not exists partition (year=2014, month=1) location 's3://lake/elsewhere/'")
        .await;
    assert!(
        lake.error("alter table flights add partition (year=2014, month=1)")
            .await
            .contains("already exists")
    );
    assert_eq!(
        lake.lines("show partitions flights").await,
        ["year=2013/month=1", "year=2013/month=2", "year=2014/month=1"]
    );
    assert_eq!(
        lake.lines("select * from flights order by year, month").await,
        ["UA|5|2013|1", "AA|7|2013|2", "DL|NULL|2014|1"]
    );
    lake.lines("alter table flights drop partition (year=2013)").await;
    assert_eq!(lake.lines("select carrier from flights").await, ["DL"]);
    lake.lines("alter table flights add columns (origin string)").await;
    assert_eq!(lake.lines("show columns in flights").await.len(), 5);
    assert!(
        lake.error("create external table t (a int, a int) location 's3://lake/t/'")
            .await
            .contains("Duplicate column")
    );
}

#[tokio::test]
async fn repair_takes_directories_as_they_are_spelt() {
    let lake = Lake::open().await;
    lake.lines(TABLE).await;
    let row = |carrier: &str| format!("{{\"carrier\":\"{carrier}\"}}\n");
    lake.put("flights/Year=2013/month=01/a.json", row("UA")).await;
    lake.put("flights/year=tmp/month=1/a.json", row("XX")).await;
    lake.put("flights/_temporary/year=2014/month=1/a.json", row("XX")).await;
    lake.put("flights/year=2015/month=1/_temporary/a.json", row("XX")).await;
    assert_eq!(
        lake.lines("msck repair table flights").await,
        [
            "Partitions not in metastore:\tflights:year=2013/month=01",
            "Repair: Added partition to metastore flights:year=2013/month=01",
            "Repair: Cannot add partition flights:year=tmp/month=1 due to values that are not of the keys' types",
        ]
    );
    assert_eq!(
        lake.lines("select carrier, year, month from flights").await,
        ["UA|2013|1"]
    );
    assert!(
        lake.error("alter table flights add partition (year='abc', month=1)")
            .await
            .contains("[Error 10248]: Cannot add partition column year")
    );
}

#[tokio::test]
async fn a_partition_with_a_bad_value_can_be_dropped() {
    let lake = Lake::open().await;
    lake.lines(TABLE).await;
    for year in ["abc", "02013"] {
        let partition = engine_catalog::PartitionSpec {
            values: [year, "1"].into_iter().collect(),
            ..Default::default()
        };
        let created =
            lake.engine
                .catalog()
                .create_partitions(&lake.session.scope, "default", "flights", vec![partition]);
        created.await.unwrap().pop().unwrap().unwrap();
    }
    assert!(
        lake.error("select count(*) from flights")
            .await
            .contains("HIVE_INVALID_PARTITION_VALUE")
    );
    lake.lines("alter table flights drop partition (year='abc')").await;
    assert_eq!(lake.lines("select count(*) from flights").await, ["0"]);
    lake.lines("alter table flights drop partition (year=2013)").await;
    assert_eq!(lake.lines("show partitions flights").await, [""; 0]);
    for columns in ["carrier int", "a int, A string", "year int"] {
        let error = lake
            .error(&format!("alter table flights add columns ({columns})"))
            .await;
        assert!(error.contains("Duplicate column name"), "{error}");
    }
}
