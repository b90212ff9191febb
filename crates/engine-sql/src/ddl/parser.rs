//! From text to [`Ddl`], by recursive descent over Hive's grammar as the service documents it.

use engine_catalog::{Column, HiveType, Parameters};

use super::lexer::{Spanned, Token, tokens, unexpected};
use super::{CreateTable, Ddl, TableName};
use crate::SqlError;

/// `None` where the text is no statement of this language.
pub(crate) fn parse(text: &str) -> Result<Option<Ddl>, SqlError> {
    let Ok(tokens) = tokens(text) else { return Ok(None) };
    let mut parser = Parser { text, tokens, at: 0 };
    let Some(ddl) = parser.statement()? else {
        return Ok(None);
    };
    parser.sign(';');
    match parser.peek() {
        None => Ok(Some(ddl)),
        Some(_) => Err(parser.mismatched("<EOF>")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Spanned>,
    at: usize,
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Option<Ddl>, SqlError> {
        if self.words("create database") || self.words("create schema") {
            return self.create_database().map(Some);
        }
        if self.words("create external table") {
            return self.create_table().map(Some);
        }
        if self.words("drop database") || self.words("drop schema") {
            let if_exists = self.words("if exists");
            let name = self.name()?;
            let cascade = self.words("cascade");
            if !cascade {
                self.words("restrict");
            }
            return Ok(Some(Ddl::DropDatabase {
                name,
                if_exists,
                cascade,
            }));
        }
        if self.words("drop table") {
            let if_exists = self.words("if exists");
            let table = self.table()?;
            self.words("purge");
            return Ok(Some(Ddl::DropTable { table, if_exists }));
        }
        if self.words("alter table") {
            return self.alter_table().map(Some);
        }
        if self.words("msck repair table") {
            return Ok(Some(Ddl::Repair { table: self.table()? }));
        }
        if self.words("show") {
            return self.show().map(Some);
        }
        if self.words("describe") || self.words("desc") {
            let formatted = self.words("formatted") || self.words("extended");
            self.words("table");
            return Ok(Some(Ddl::Describe {
                table: self.table()?,
                formatted,
            }));
        }
        Ok(None)
    }

    fn create_database(&mut self) -> Result<Ddl, SqlError> {
        let if_not_exists = self.words("if not exists");
        let name = self.name()?;
        let (mut comment, mut location, mut properties) = (None, None, Parameters::new());
        loop {
            if self.words("comment") {
                comment = Some(self.string()?);
            } else if self.words("location") {
                location = Some(self.string()?);
            } else if self.words("with dbproperties") {
                properties = self.properties()?;
            } else {
                return Ok(Ddl::CreateDatabase {
                    name,
                    if_not_exists,
                    comment,
                    location,
                    properties,
                });
            }
        }
    }

    fn create_table(&mut self) -> Result<Ddl, SqlError> {
        let if_not_exists = self.words("if not exists");
        let TableName { database, table } = self.table()?;
        let mut create = CreateTable {
            database,
            table,
            if_not_exists,
            ..CreateTable::default()
        };
        self.expect('(')?;
        create.columns = self.columns()?;
        loop {
            if self.words("comment") {
                create.comment = Some(self.string()?);
            } else if self.words("partitioned by") {
                self.expect('(')?;
                create.partitioned_by = self.columns()?;
            } else if self.words("clustered by") {
                self.expect('(')?;
                let columns = self.list(Self::name)?;
                if !self.words("into") {
                    return Err(self.mismatched("INTO"));
                }
                let buckets = self.number()?;
                if !self.words("buckets") {
                    return Err(self.mismatched("BUCKETS"));
                }
                create.clustered_by = Some((columns, buckets));
            } else if self.words("row format serde") {
                create.serde = Some(self.string()?);
            } else if self.words("row format delimited") {
                self.delimited(&mut create.serde_parameters)?;
            } else if self.words("with serdeproperties") {
                create.serde_parameters.extend(self.properties()?);
            } else if self.words("stored as inputformat") {
                create.input_format = Some(self.string()?);
                if !self.words("outputformat") {
                    return Err(self.mismatched("OUTPUTFORMAT"));
                }
                create.output_format = Some(self.string()?);
            } else if self.words("stored as") {
                create.stored_as = Some(self.name()?);
            } else if self.words("location") {
                create.location = Some(self.string()?);
            } else if self.words("tblproperties") {
                create.properties = self.properties()?;
            } else {
                return Ok(Ddl::CreateTable(Box::new(create)));
            }
        }
    }

    /// `FIELDS TERMINATED BY ',' ESCAPED BY '\\' LINES TERMINATED BY '\n'` into the SerDe's parameters.
    fn delimited(&mut self, parameters: &mut Parameters) -> Result<(), SqlError> {
        const CLAUSES: [(&str, &str); 6] = [
            ("fields terminated by", "field.delim"),
            ("escaped by", "escape.delim"),
            ("collection items terminated by", "collection.delim"),
            ("map keys terminated by", "mapkey.delim"),
            ("lines terminated by", "line.delim"),
            ("null defined as", "serialization.null.format"),
        ];
        while let Some((_, parameter)) = CLAUSES.into_iter().find(|(words, _)| self.words(words)) {
            let delimiter = self.string()?;
            if parameter == "line.delim" && !matches!(delimiter.as_str(), "\n" | "10") {
                return Err(SqlError::user(
                    "FAILED: SemanticException [Error 10064]: LINES TERMINATED BY only supports newline '\\n' right now",
                ));
            }
            if parameter == "field.delim" {
                parameters.insert("serialization.format".to_owned(), delimiter.clone());
            }
            parameters.insert(parameter.to_owned(), delimiter);
        }
        Ok(())
    }

    fn alter_table(&mut self) -> Result<Ddl, SqlError> {
        let table = self.table()?;
        if self.words("add columns") {
            self.expect('(')?;
            return Ok(Ddl::AddColumns {
                table,
                columns: self.columns()?,
            });
        }
        if self.words("set location") {
            return Ok(Ddl::SetLocation {
                table,
                location: self.string()?,
            });
        }
        if self.words("set tblproperties") {
            return Ok(Ddl::SetProperties {
                table,
                properties: self.properties()?,
            });
        }
        if self.words("add") {
            let if_not_exists = self.words("if not exists");
            let mut partitions = Vec::new();
            while self.words("partition") {
                let parts = self.partition_spec()?;
                let location = if self.words("location") {
                    Some(self.string()?)
                } else {
                    None
                };
                partitions.push((parts, location));
            }
            if partitions.is_empty() {
                return Err(self.mismatched("PARTITION, COLUMNS"));
            }
            return Ok(Ddl::AddPartitions {
                table,
                if_not_exists,
                partitions,
            });
        }
        if self.words("drop") {
            let if_exists = self.words("if exists");
            let mut partitions = Vec::new();
            loop {
                if !self.words("partition") {
                    return Err(self.mismatched("PARTITION"));
                }
                partitions.push(self.partition_spec()?);
                if !self.sign(',') {
                    return Ok(Ddl::DropPartitions {
                        table,
                        if_exists,
                        partitions,
                    });
                }
            }
        }
        Err(self.mismatched("ADD, DROP, SET"))
    }

    fn show(&mut self) -> Result<Ddl, SqlError> {
        if self.words("databases") || self.words("schemas") {
            self.words("like");
            return Ok(Ddl::ShowDatabases {
                pattern: self.optional_string(),
            });
        }
        if self.words("tables") {
            let database = if self.words("in") || self.words("from") {
                Some(self.name()?)
            } else {
                None
            };
            self.words("like");
            return Ok(Ddl::ShowTables {
                database,
                pattern: self.optional_string(),
            });
        }
        if self.words("partitions") {
            return Ok(Ddl::ShowPartitions { table: self.table()? });
        }
        if self.words("columns") {
            if !(self.words("in") || self.words("from")) {
                return Err(self.mismatched("FROM, IN"));
            }
            let mut table = self.table()?;
            if self.words("in") || self.words("from") {
                table.database = Some(self.name()?);
            }
            return Ok(Ddl::ShowColumns { table });
        }
        if self.words("create table") {
            return Ok(Ddl::ShowCreateTable { table: self.table()? });
        }
        if self.words("tblproperties") {
            let table = self.table()?;
            let key = if self.sign('(') {
                let key = self.string()?;
                self.expect(')')?;
                Some(key)
            } else {
                None
            };
            return Ok(Ddl::ShowProperties { table, key });
        }
        Err(self.mismatched("COLUMNS, CREATE, DATABASES, PARTITIONS, SCHEMAS, TABLES, TBLPROPERTIES"))
    }

    /// Column definitions up to the closing parenthesis, which is taken too.
    fn columns(&mut self) -> Result<Vec<Column>, SqlError> {
        self.list(|parser| {
            let name = parser.name()?.to_lowercase();
            let type_name = parser.data_type()?;
            let comment = if parser.words("comment") {
                Some(parser.string()?)
            } else {
                None
            };
            Ok(Column {
                comment,
                ..Column::new(name, type_name.to_string())
            })
        })
    }

    /// The type's own grammar reads the piece of text that the type takes.
    fn data_type(&mut self) -> Result<HiveType, SqlError> {
        let (from, mut depth) = (self.at, 0_i32);
        while let Some(token) = self.peek() {
            match token {
                Token::Sign('<' | '(') => depth += 1,
                Token::Sign('>') => depth -= 1,
                Token::Sign(')') if depth > 0 => depth -= 1,
                Token::Sign(',' | ')') if depth <= 0 => break,
                Token::Word(word) if depth <= 0 && self.at > from && word.eq_ignore_ascii_case("comment") => break,
                _ => {}
            }
            self.at += 1;
        }
        let (Some(first), Some(last)) = (self.tokens.get(from), self.tokens.get(self.at.wrapping_sub(1))) else {
            return Err(self.mismatched("a column type"));
        };
        if self.at == from {
            return Err(self.mismatched("a column type"));
        }
        let text = &self.text[first.start..last.end];
        text.parse()
            .map_err(|error: engine_catalog::InvalidHiveType| unexpected(self.text, first.start, &error.to_string()))
    }

    fn partition_spec(&mut self) -> Result<Vec<(String, String)>, SqlError> {
        self.expect('(')?;
        self.list(|parser| {
            let key = parser.name()?.to_lowercase();
            parser.expect('=')?;
            let negative = parser.sign('-');
            let value = match parser.next() {
                Some(Token::Text(text)) => text,
                Some(Token::Number(number)) if negative => format!("-{number}"),
                Some(Token::Number(number) | Token::Word(number)) => number,
                _ => return Err(parser.mismatched_before("a partition value")),
            };
            Ok((key, value))
        })
    }

    fn properties(&mut self) -> Result<Parameters, SqlError> {
        self.expect('(')?;
        let pairs = self.list(|parser| {
            let key = parser.string()?;
            parser.expect('=')?;
            Ok((key, parser.string()?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    /// Items between commas up to the closing parenthesis.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let mut items = vec![item(self)?];
        while self.sign(',') {
            items.push(item(self)?);
        }
        self.expect(')')?;
        Ok(items)
    }

    fn table(&mut self) -> Result<TableName, SqlError> {
        let mut parts = vec![self.name()?];
        while self.sign('.') {
            parts.push(self.name()?);
        }
        let table = parts.pop().unwrap_or_default();
        // A catalog may stand before the database; there is only one.
        Ok(TableName {
            database: parts.pop(),
            table,
        })
    }

    fn name(&mut self) -> Result<String, SqlError> {
        match self.next() {
            Some(Token::Word(name) | Token::Name(name) | Token::Text(name)) if !name.is_empty() => Ok(name),
            _ => Err(self.mismatched_before("a name")),
        }
    }

    fn string(&mut self) -> Result<String, SqlError> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(self.mismatched_before("a quoted string")),
        }
    }

    fn optional_string(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Some(text)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Result<i64, SqlError> {
        match self.next() {
            Some(Token::Number(number)) => number.parse().map_err(|_| self.mismatched_before("a number")),
            _ => Err(self.mismatched_before("a number")),
        }
    }

    /// Takes all of `words` (lower case, between blanks) or none.
    fn words(&mut self, words: &str) -> bool {
        let mut at = self.at;
        for expected in words.split(' ') {
            match self.tokens.get(at).map(|spanned| &spanned.token) {
                Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected) => at += 1,
                _ => return false,
            }
        }
        self.at = at;
        true
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), SqlError> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.mismatched(&format!("'{sign}'")))
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|spanned| spanned.token.clone());
        self.at += 1;
        token
    }

    fn mismatched_before(&mut self, expected: &str) -> SqlError {
        self.at = self.at.saturating_sub(1);
        self.mismatched(expected)
    }

    fn mismatched(&self, expected: &str) -> SqlError {
        let (at, found) = match self.tokens.get(self.at) {
            Some(spanned) => (spanned.start, &self.text[spanned.start..spanned.end]),
            None => (self.text.len(), "<EOF>"),
        };
        unexpected(
            self.text,
            at,
            &format!("mismatched input '{found}'. Expecting: {expected}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ddl(text: &str) -> Ddl {
        parse(text).expect(text).expect(text)
    }

    #[test]
    fn a_whole_table_definition() {
        let Ddl::CreateTable(create) = ddl(
            "CREATE EXTERNAL TABLE IF NOT EXISTS lake.`flights` (\n  carrier string COMMENT 'the airline',\n  dep_delay double, \
             tags array<struct<k:string,v:decimal(5,2)>>)\nCOMMENT \"all of them\"\nPARTITIONED BY (year int, `month` INT)\n\
             ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES ('ignore.malformed.json'='true')\n\
             LOCATION 's3://lake/flights/' TBLPROPERTIES ('a'='b', \"c\"=\"d\");",
        ) else {
            panic!("not a table")
        };
        assert_eq!(
            (create.database.as_deref(), create.table.as_str()),
            (Some("lake"), "flights")
        );
        assert_eq!(create.columns[0].comment.as_deref(), Some("the airline"));
        assert_eq!(
            create.columns[2].type_name.as_deref(),
            Some("array<struct<k:string,v:decimal(5,2)>>")
        );
        assert_eq!(
            create.partitioned_by,
            [Column::new("year", "int"), Column::new("month", "int")]
        );
        assert_eq!(create.location.as_deref(), Some("s3://lake/flights/"));
        assert_eq!((create.properties.len(), create.serde_parameters.len()), (2, 1));
    }

    #[test]
    fn delimiters_and_buckets() {
        let Ddl::CreateTable(create) = ddl(
            "create external table t (a int) clustered by (a) into 4 buckets row format delimited fields terminated by '\\t' \
             escaped by '\\\\' null defined as '-' stored as textfile location 's3://b/'",
        ) else {
            panic!("not a table")
        };
        assert_eq!(create.serde_parameters["field.delim"], "\t");
        assert_eq!(create.serde_parameters["escape.delim"], "\\");
        assert_eq!(create.clustered_by, Some((vec!["a".to_owned()], 4)));
        let lines = |end: &str| {
            let text = format!(
                "create external table t (a int) row format delimited lines terminated by '{end}' location 's3://b/'"
            );
            parse(&text)
        };
        assert!(lines("\\n").is_ok());
        let error = lines("|").expect_err("another end").message;
        assert!(error.contains("[Error 10064]"), "{error}");
    }

    #[test]
    fn the_other_statements() {
        let table = |database: Option<&str>, table: &str| TableName {
            database: database.map(str::to_owned),
            table: table.to_owned(),
        };
        for (text, expect) in [
            (
                "show tables",
                Ddl::ShowTables {
                    database: None,
                    pattern: None,
                },
            ),
            (
                "SHOW TABLES IN lake 'fl*'",
                Ddl::ShowTables {
                    database: Some("lake".into()),
                    pattern: Some("fl*".into()),
                },
            ),
            (
                "show partitions lake.flights",
                Ddl::ShowPartitions {
                    table: table(Some("lake"), "flights"),
                },
            ),
            (
                "describe formatted t",
                Ddl::Describe {
                    table: table(None, "t"),
                    formatted: true,
                },
            ),
            (
                "msck repair table t",
                Ddl::Repair {
                    table: table(None, "t"),
                },
            ),
            (
                "-- tidy\ndrop table if exists `a b`.t;",
                Ddl::DropTable {
                    table: table(Some("a b"), "t"),
                    if_exists: true,
                },
            ),
            (
                "alter table t add if not exists partition (year=2013, day='01') location 's3://b/x' partition (year=-1,day=x)",
                Ddl::AddPartitions {
                    table: table(None, "t"),
                    if_not_exists: true,
                    partitions: vec![
                        (
                            vec![("year".into(), "2013".into()), ("day".into(), "01".into())],
                            Some("s3://b/x".into()),
                        ),
                        (vec![("year".into(), "-1".into()), ("day".into(), "x".into())], None),
                    ],
                },
            ),
        ] {
            assert_eq!(ddl(text), expect, "{text}");
        }
    }

    #[test]
    fn other_languages_and_mistakes() {
        assert_eq!(parse("select 'create' from t").unwrap(), None);
        for (text, message) in [
            ("drop table", "line 1:11: mismatched input '<EOF>'. Expecting: a name"),
            ("show tabels", "line 1:6: mismatched input 'tabels'."),
            ("create external table t (a in)", "\"in\" is not a Hive type"),
            ("drop table t x", "line 1:14: mismatched input 'x'. Expecting: <EOF>"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {error}");
        }
    }
}
