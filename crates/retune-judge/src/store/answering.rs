//! Judges, their turns and their answers: all that is written to a study once it is made.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{Progress, Study, Turn, to_json};
use crate::answer::Answer;
use crate::error::JudgeError;
use crate::settings::Mode;

impl Study {
    /// A judge begins, or comes back.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Name`]; the file cannot be written.
    pub fn enter(&mut self, name: &str) -> Result<Progress, JudgeError> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
            return Err(JudgeError::Name { name });
        }
        self.write("INSERT INTO judges (name) VALUES (?1) ON CONFLICT DO NOTHING", params![name])?;
        self.progress(&name)
    }

    /// How far a judge has come.
    ///
    /// # Errors
    ///
    /// [`JudgeError::UnknownJudge`]; the file does not read.
    pub fn progress(&self, judge: &str) -> Result<Progress, JudgeError> {
        let found = self.judges()?.into_iter().find(|progress| progress.judge == judge);
        found.ok_or_else(|| JudgeError::UnknownJudge { name: judge.to_owned() })
    }

    /// The row that a judge is to answer next; none where all are answered. Which run stands on which side is drawn the
    /// first time, and kept.
    ///
    /// # Errors
    ///
    /// [`JudgeError::UnknownJudge`]; the file cannot be read or written.
    pub fn next(&mut self, judge: &str) -> Result<Option<Turn>, JudgeError> {
        let id = self.judge(judge)?;
        let sql = "SELECT position FROM sample WHERE NOT EXISTS
                   (SELECT 1 FROM answers WHERE judge = ?1 AND answers.position = sample.position AND undone = 0)
                   ORDER BY position LIMIT 1";
        let found = self.connection.query_row(sql, [id], |row| row.get::<_, i64>(0)).optional();
        let Some(position) = found.map_err(|source| self.database(source))? else { return Ok(None) };
        let position = position as u64;
        Ok(Some(Turn { position, swapped: self.side(id, judge, position)? }))
    }

    /// Keeps an answer; when this returns it is on the disk. The same answer again changes nothing.
    ///
    /// # Errors
    ///
    /// The judge or the position is unknown, the answer is to another question, or another was given before.
    pub fn answer(&mut self, judge: &str, position: u64, answer: Answer) -> Result<Progress, JudgeError> {
        let id = self.judge(judge)?;
        answer.check(self.settings.mode, self.settings.classes.len())?;
        let rows = self.sample.len() as u64;
        if position >= rows {
            return Err(JudgeError::UnknownPosition { position, rows });
        }
        let swapped = self.side(id, judge, position)?;
        let judgement = to_json(&answer.judgement(swapped));
        let sql = "SELECT judgement FROM answers WHERE judge = ?1 AND position = ?2 AND undone = 0";
        let before = self.connection.query_row(sql, params![id, position as i64], |row| row.get::<_, String>(0));
        match before.optional().map_err(|source| self.database(source))? {
            Some(before) if before == judgement => {}
            Some(_) => return Err(JudgeError::AlreadyAnswered { judge: judge.to_owned(), position }),
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
                let sql = "INSERT INTO answers (judge, position, judgement, milliseconds) VALUES (?1, ?2, ?3, ?4)";
                self.write(sql, params![id, position as i64, judgement, now])?;
            }
        }
        self.progress(judge)
    }

    /// Takes back the last answer of a judge that still counts.
    ///
    /// # Errors
    ///
    /// [`JudgeError::UnknownJudge`], [`JudgeError::NothingToUndo`]; the file cannot be written.
    pub fn undo(&mut self, judge: &str) -> Result<Progress, JudgeError> {
        let id = self.judge(judge)?;
        let sql = "UPDATE answers SET undone = 1
                   WHERE id = (SELECT max(id) FROM answers WHERE judge = ?1 AND undone = 0)";
        match self.write(sql, params![id])? {
            0 => Err(JudgeError::NothingToUndo { judge: judge.to_owned() }),
            _ => self.progress(judge),
        }
    }

    /// Whether the second run stands on the left: drawn from the seed, the judge and the position, and kept.
    fn side(&mut self, id: i64, judge: &str, position: u64) -> Result<bool, JudgeError> {
        if self.settings.mode != Mode::Compare {
            return Ok(false);
        }
        let seed = format!("{}\0{judge}\0{position}", self.settings.seed);
        let swapped = Sha256::digest(seed)[0] & 1 == 1;
        let sql = "INSERT INTO sides (judge, position, swapped) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.write(sql, params![id, position as i64, swapped])?;
        let sql = "SELECT swapped FROM sides WHERE judge = ?1 AND position = ?2";
        self.connection
            .query_row(sql, params![id, position as i64], |row| row.get(0))
            .map_err(|source| self.database(source))
    }

    fn judge(&self, name: &str) -> Result<i64, JudgeError> {
        let found = self.connection.query_row("SELECT id FROM judges WHERE name = ?1", [name], |row| row.get(0));
        let found = found.optional().map_err(|source| self.database(source))?;
        found.ok_or_else(|| JudgeError::UnknownJudge { name: name.to_owned() })
    }
}
