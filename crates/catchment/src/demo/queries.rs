//! Questions about the flights, asked through Athena.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use base::{human_bytes, human_count};
use serde_json::{Value, json};

use super::lake::Names;
use super::{LOOK_EVERY, WAIT_MAX, show};
use crate::client::{ATHENA, Client};

const QUESTIONS: [(&str, &str); 5] = [
    (
        "How many flights are in the lake?",
        "SELECT count(*) AS flights FROM flights",
    ),
    (
        "Which airlines flew most, and how late?",
        "SELECT a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS minutes_late \
         FROM flights f JOIN airlines a ON f.carrier = a.carrier \
         GROUP BY a.name ORDER BY flights DESC LIMIT 5",
    ),
    (
        "Which destinations are served most?",
        "SELECT f.dest, p.name AS airport, count(*) AS flights, approx_distinct(f.carrier) AS airlines \
         FROM flights f JOIN airports p ON f.dest = p.faa \
         GROUP BY f.dest, p.name ORDER BY flights DESC LIMIT 5",
    ),
    (
        "What did July cost? (one partition of twelve is read)",
        "SELECT origin, count(*) AS flights, count_if(dep_time IS NULL) AS cancelled, max(dep_delay) AS worst_minutes \
         FROM flights WHERE month = 7 GROUP BY origin ORDER BY origin",
    ),
    (
        "Does rain delay flights?",
        "SELECT CASE WHEN w.precip = 0 THEN 'dry' WHEN w.precip < 0.1 THEN 'drizzle' ELSE 'rain' END AS weather, \
                count(*) AS flights, round(avg(f.dep_delay), 1) AS minutes_late \
         FROM flights f JOIN weather w \
           ON f.origin = w.origin AND f.month = w.month AND f.day = w.day AND f.hour = w.hour \
         GROUP BY 1 ORDER BY minutes_late",
    ),
];

/// Asks them all; the count must be what was sent.
pub(super) async fn run(client: &Client, names: &Names, sent: u64) -> Result<()> {
    for (index, (question, sql)) in QUESTIONS.iter().enumerate() {
        let begun = Instant::now();
        let answer = ask(client, names, sql).await?;
        let elapsed = begun.elapsed();
        println!("\n{question}");
        println!("   {}", sql.split_whitespace().collect::<Vec<_>>().join(" "));
        show::table(&answer.header, &answer.rows);
        println!(
            "   {:.0} ms, {} scanned",
            elapsed.as_secs_f64() * 1e3,
            human_bytes(answer.scanned_bytes)
        );
        if index == 0 {
            let count = answer
                .rows
                .first()
                .and_then(|row| row.first())
                .context("no count came back")?;
            ensure!(
                *count == sent.to_string(),
                "{} flights were sent and {count} are in the lake",
                human_count(sent)
            );
        }
    }
    Ok(())
}

struct Answer {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    scanned_bytes: u64,
}

async fn ask(client: &Client, names: &Names, sql: &str) -> Result<Answer> {
    let start = json!({
        "QueryString": sql,
        "QueryExecutionContext": { "Database": names.database },
        "ResultConfiguration": { "OutputLocation": format!("s3://{}/results/", names.bucket) },
    });
    let started = client.call(ATHENA, "StartQueryExecution", &start).await?;
    let id = json!({ "QueryExecutionId": started["QueryExecutionId"] });
    let waiting = async {
        let mut pause = std::time::Duration::from_millis(2);
        loop {
            let described = client.call(ATHENA, "GetQueryExecution", &id).await?;
            let execution = described["QueryExecution"].clone();
            match execution["Status"]["State"].as_str() {
                Some("SUCCEEDED") => return Ok(execution),
                Some("FAILED" | "CANCELLED") => bail!("{sql}: {}", execution["Status"]["StateChangeReason"]),
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LOOK_EVERY);
        }
    };
    let execution = tokio::time::timeout(WAIT_MAX, waiting)
        .await
        .context("a query takes too long")??;
    let results = client.call(ATHENA, "GetQueryResults", &id).await?;
    let mut rows = results["ResultSet"]["Rows"].as_array().into_iter().flatten().map(cells);
    let header = rows.next().context("a result has a header")?;
    let scanned_bytes = execution["Statistics"]["DataScannedInBytes"]
        .as_u64()
        .unwrap_or_default();
    Ok(Answer {
        header,
        rows: rows.collect(),
        scanned_bytes,
    })
}

fn cells(row: &Value) -> Vec<String> {
    let cells = row["Data"].as_array().into_iter().flatten();
    cells
        .map(|cell| cell["VarCharValue"].as_str().unwrap_or_default().to_owned())
        .collect()
}
