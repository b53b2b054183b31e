//! Which columns an expression reads.

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

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
            Expr::Select(select) => self.expression(&select.operand.expr),
            // Maps and structures are no values of a column, and what a name in one means would be of no use.
            Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
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
        let of_column = |expression: &Expr| column(expression).filter(|name| !self.bound.contains(&name.as_str()));
        let (column, literal) = match call.func_name.as_str() {
            operators::EQUALS | operators::NOT_EQUALS => match (of_column(&first.expr), of_column(&second.expr)) {
                (Some(column), None) => (column, not_text(&second.expr)),
                (None, Some(column)) => (column, not_text(&first.expr)),
                _ => return,
            },
            operators::IN => match (of_column(&first.expr), &second.expr) {
                (Some(column), Expr::List(list)) => {
                    (column, list.elements.iter().find_map(|element| not_text(&element.expr)))
                }
                _ => return,
            },
            _ => return,
        };
        if let Some(literal) = literal
            && self.found.problem.is_none()
        {
            self.found.problem = Some(format!(
                "column `{column}` holds texts, as they stand in the file, and {literal} is none: write \"{literal}\", or \
                 int({column}), double({column}) or bool({column}) for the value that it stands for"
            ));
        }
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

/// A literal that is neither text nor null, as it is written.
fn not_text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(LiteralValue::Boolean(truth)) => Some(truth.inner().to_string()),
        Expr::Literal(LiteralValue::Double(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::UInt(number)) => Some(number.inner().to_string()),
        _ => None,
    }
}
