//! Which columns an expression reads.

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

/// The name by which any column can be called.
pub(super) const ROW: &str = "row";
/// What stands before the name of a function, and is no column: `math.greatest(…)`.
const NAMESPACES: [&str; 4] = ["cel", "lists", "math", "strings"];

#[derive(Default)]
pub(super) struct Found {
    /// The columns, in the order in which they are first named.
    pub(super) columns: Vec<String>,
    /// The first comparison that could only ever be false.
    pub(super) problem: Option<String>,
}

pub(super) fn of(expression: &Expr) -> Found {
    let mut walk = Walk::default();
    walk.expression(expression);
    walk.found
}

#[derive(Default)]
struct Walk<'e> {
    found: Found,
    /// Variables of comprehensions, as `t` in `tags.exists(t, t == 'a')`.
    bound: Vec<&'e str>,
}

impl<'e> Walk<'e> {
    fn expression(&mut self, expression: &'e Expr) {
        if let Some(column) = column(expression) {
            let root = column.split('.').next().unwrap_or_default();
            if !self.bound.contains(&root) && !self.found.columns.contains(&column) {
                self.found.columns.push(column);
            }
            return;
        }
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range.expr);
                let before = self.bound.len();
                self.bound.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
                self.bound.extend(comprehension.iter_var2.as_deref());
                self.expression(&comprehension.accu_init.expr);
                self.expression(&comprehension.loop_cond.expr);
                self.expression(&comprehension.loop_step.expr);
                self.expression(&comprehension.result.expr);
                self.bound.truncate(before);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(&element.expr)),
            Expr::Select(select) => {
                if let Some(operand) = column(&select.operand.expr).filter(|_| select.test) {
                    let name = format!("{operand}.{}", select.field);
                    self.found.problem.get_or_insert(format!(
                        "every row has every column, so that has(…) asks nothing: write {} != null where one must not be empty",
                        name.trim_start_matches("row.")
                    ));
                }
                self.expression(&select.operand.expr);
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key.expr);
                        self.expression(&entry.value.expr);
                    }
                }
            }
            // There are no structures to make.
            Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn call(&mut self, call: &'e CallExpr) {
        self.check_comparison(call);
        if let Some(target) = &call.target
            && !matches!(&target.expr, Expr::Ident(name) if NAMESPACES.contains(&name.as_str()))
        {
            self.expression(&target.expr);
        }
        call.args.iter().for_each(|argument| self.expression(&argument.expr));
    }

    /// CEL takes a text and a number for different in silence.
    fn check_comparison(&mut self, call: &'e CallExpr) {
        let [first, second] = call.args.as_slice() else { return };
        let others = match (call.func_name.as_str(), &second.expr) {
            (operators::EQUALS | operators::NOT_EQUALS, other) => vec![other],
            (operators::IN, Expr::List(list)) => list.elements.iter().map(|element| &element.expr).collect(),
            _ => return,
        };
        for other in others {
            let pair = [&first.expr, other];
            for (text, number) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let (Some(text), Some(number)) = (self.text(text), not_text(number)) else { continue };
                self.found.problem.get_or_insert(format!(
                    "{text} is a text, as columns stand in the file, and {number} is none, so that they are never equal: write the \
                     value as a text, as \"5\", or int(…), double(…) or bool(…) around the text for what it stands for"
                ));
            }
        }
    }

    /// A column, or a literal text, in words.
    fn text(&self, expression: &Expr) -> Option<String> {
        if let Expr::Literal(LiteralValue::String(text)) = expression {
            return Some(format!("\"{}\"", crate::nearest::short(text.inner())));
        }
        column(expression).filter(|name| !self.bound.contains(&name.as_str())).map(|name| format!("column `{name}`"))
    }
}

/// The column that an expression is, and nothing more: `a`, `a.b`, or `row["a b"]`.
fn column(expression: &Expr) -> Option<String> {
    match expression {
        // Names that no one can write are of CEL's own making.
        Expr::Ident(name) => (!name.starts_with('@')).then(|| name.clone()),
        Expr::Select(select) if !select.test => {
            column(&select.operand.expr).map(|operand| format!("{operand}.{}", select.field))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [row, name] => match (&row.expr, &name.expr) {
                (Expr::Ident(row), Expr::Literal(LiteralValue::String(name))) if row == ROW => {
                    Some(name.inner().to_owned())
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// What is surely a number or a truth value, in words.
fn not_text(expression: &Expr) -> Option<String> {
    const NUMBERS: [&str; 9] = [
        "int",
        "uint",
        "double",
        "size",
        operators::NEGATE,
        operators::SUBSTRACT,
        operators::MULTIPLY,
        operators::DIVIDE,
        operators::MODULO,
    ];
    match expression {
        Expr::Literal(LiteralValue::Boolean(truth)) => Some(truth.inner().to_string()),
        Expr::Literal(LiteralValue::Double(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::UInt(number)) => Some(number.inner().to_string()),
        Expr::Call(call) if NUMBERS.contains(&call.func_name.as_str()) => Some("a number".to_owned()),
        Expr::Call(call) if call.func_name == "bool" => Some("a truth value".to_owned()),
        _ => None,
    }
}
