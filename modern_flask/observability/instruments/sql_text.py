"""Describes a SQL statement: its text without literals, and its summary.

The summary follows opentelemetry.io/docs/specs/semconv/db/database-spans, section
"Generating a summary of the query": the operations of a statement and their targets, in
their order and as they are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LONGEST", "hide_literals", "summarize"]

LONGEST = 8192
"""Characters of a statement that are read: an INSERT of many rows may have millions."""

_LONGEST_SUMMARY = 255

# The tokens that are needed to find the literals of a statement. A string that is not
# closed ends at the end of the statement.
_QUOTED = r"""(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\W\d][\w\ ]*\])"""
_TOKENS = r"""
    (?P<comment>{line}[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>{strings}|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))
    |{rest}
"""
_NUMBERS = rf"""(?P<name>{_QUOTED})
    |(?P<number>(?<![\w:$%@])(?:0[box][0-9a-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+)\b)
"""
# A name with its qualifiers is one token. The name of a parameter is none. Parentheses
# without strings and other parentheses are one token, too: an INSERT has many.
_PART = rf"(?:[^\W\d][\w$]*|{_QUOTED})"
_NAMES = rf"""(?P<name>(?<![\w:@$%]){_PART}(?:\.{_PART})*)
    |(?P<group>\((?:[^()'"`;/\-\#\[$]|%\(\w+\)s)*\))
    |(?P<mark>[(),;])
"""
_FLAGS = re.VERBOSE | re.DOTALL | re.IGNORECASE

_STANDARD = (
    "--",
    r"""\be'(?:[^'\\]|''|\\.)*(?:'|\Z)|(?:\b[nxb])?'(?:[^']|'')*(?:'|\Z)""",
)
# In MySQL, strings have backslash escapes, double quotes enclose strings, and #
# begins a comment.
_MYSQL = (
    r"(?:--|\#)",
    r"""(?:\b[nxb])?'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"\\]|""|\\.)*(?:"|\Z)""",
)


def _compile(dialect: tuple[str, str], rest: str) -> re.Pattern[str]:
    line, strings = dialect
    return re.compile(_TOKENS.format(line=line, strings=strings, rest=rest), _FLAGS)


_STATEMENT = re.compile(r"\b(?:select|insert|update|delete|merge)\b", re.IGNORECASE)
_LITERALS = [_compile(dialect, _NUMBERS) for dialect in (_STANDARD, _MYSQL)]
_WORDS = [_compile(dialect, _NAMES) for dialect in (_STANDARD, _MYSQL)]


def hide_literals(statement: str, mysql: bool) -> str:
    """Replace each literal by ``?``.

    Comments are removed, because they may contain anything.

    Args:
        statement: The statement, cut at :data:`LONGEST` characters.
        mysql: Whether strings follow the rules of MySQL.
    """

    def replace(token: re.Match[str]) -> str:
        if token["comment"]:
            return " "
        return token[0] if token["name"] else "?"

    return _LITERALS[mysql].sub(replace, statement).strip()


def summarize(statement: str, mysql: bool) -> str:
    """Return the operations and targets, such as ``INSERT rows SELECT orders``.

    A common table expression is no target. The summary has at most 255 characters, and
    no name in it is cut. It is empty for a statement without any word.

    Args:
        statement: The statement, cut at :data:`LONGEST` characters.
        mysql: Whether strings follow the rules of MySQL.
    """
    summary, position, find = _Summary(), 0, _WORDS[mysql].search
    while token := find(statement, position):
        position = token.end()
        kind = token.lastgroup
        if kind == "group":
            if not summary.expects_target and not _STATEMENT.search(token[0]):
                continue
            position = token.start() + 1
            summary.add_mark("(")
        elif kind == "mark":
            summary.add_mark(token[0])
        elif kind == "name" and position < LONGEST:  # else it may be cut
            summary.add_name(token[0])
        elif kind == "text":
            summary.add_text(token[0])
        if summary.length > _LONGEST_SUMMARY:
            summary.parts.pop()
            break
    return " ".join(summary.parts)


# Statements that begin with an operation on a table, and clauses that name a table.
_DML = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_BODIES = _DML - {"REPLACE"}  # where a statement is a part of another one
_LISTED = frozenset({"UPDATE", "DROP", "TRUNCATE", "LOCK"})  # "DROP TABLE a, b"
_NAMED = frozenset({"INSERT", "UPDATE", "MERGE", "REPLACE", "CALL", "COPY"}) | {
    *("EXEC", "EXECUTE", "TRUNCATE")
}
_DDL = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "LOCK"})
_KINDS = frozenset({"TABLE", "TABLES", "VIEW", "INDEX", "SEQUENCE", "SCHEMA"}) | {
    *("DATABASE", "FUNCTION", "PROCEDURE", "TRIGGER", "TYPE", "EXTENSION", "DOMAIN")
}
# Words between an operation and its target.
_MODIFIERS = frozenset({"INTO", "ONLY", "LATERAL", "TABLE", "TABLES", "IF", "NOT"}) | {
    *("EXISTS", "CONCURRENTLY", "OVERWRITE", "OR", "REPLACE", "IGNORE", "ABORT"),
    *("FAIL", "ROLLBACK", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "ALL"),
}
_CREATED = frozenset({"OR", "REPLACE", "UNIQUE", "TEMP", "TEMPORARY", "GLOBAL"}) | {
    *("LOCAL", "UNLOGGED", "MATERIALIZED", "RECURSIVE", "FULLTEXT", "VIRTUAL")
}
# Words after which no further table follows.
_ENDS = frozenset({"WHERE", "SET", "VALUES", "GROUP", "ORDER", "HAVING", "LIMIT"}) | {
    *("UNION", "EXCEPT", "INTERSECT", "MINUS", "RETURNING", "WINDOW", "FOR", "FETCH"),
    *("OFFSET", "DEFAULT", "ON", "AS"),
}
_WITH = frozenset({"EXPLAIN", "INSERT"})  # "INSERT INTO a WITH b AS ..."
_JOINS = frozenset({"JOIN", "APPLY", "STRAIGHT_JOIN"})


@dataclass(slots=True)
class _Level:
    """What is known about one level of parentheses."""

    operation: str = ""  # in capitals
    expects: bool = False  # a target may follow
    lists: bool = False  # a comma introduces a further target
    statement: bool = False  # any first word is an operation
    begins: bool = True  # nothing has been read yet
    creates: bool = False  # a kind of object may follow: "CREATE TABLE"
    defines: int = 0  # 1 after WITH; 2 where it names an expression
    joined: bool = False  # USING belongs to a JOIN
    word: str = ""  # the last one


class _Summary:
    """Collects the operations and the targets of a statement, token by token."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = -1
        self._expressions: set[str] = set()
        self._begin_statement()

    @property
    def expects_target(self) -> bool:
        """Whether a target may follow."""
        return self._levels[-1].expects

    def add_mark(self, mark: str) -> None:
        """Read a parenthesis, a comma or a semicolon."""
        level = self._levels[-1]
        if mark == ";":
            self._begin_statement()
        elif mark == "(":
            operation = level.operation if level.expects else ""
            self._levels.append(_Level(operation, level.expects, level.expects))
            level.begins = level.expects = False
        elif mark == ")":
            if len(self._levels) > 1:
                self._levels.pop()
        elif level.defines:
            level.defines = 2
        else:
            level.expects = level.lists

    def add_text(self, text: str) -> None:
        """Read a string. Some dialects accept it as a name."""
        level = self._levels[-1]
        if level.expects and level.operation in _DML and text[0] in "'\"":
            self._add_target(level, text)
        level.expects = False

    def add_name(self, name: str) -> None:
        """Read a keyword or a name."""
        level = self._levels[-1]
        word, before = name.upper(), level.word
        begins, level.begins, level.word = level.begins, False, word
        if level.defines == 2 and word != "RECURSIVE":
            self._expressions.add(word)
            level.defines = 1
        elif word == "WITH" and (begins or before == "AS" or level.operation in _WITH):
            level.defines = 2
        elif self._is_operation(level, word, begins):
            self._begin_operation(level, name, word)
        elif level.creates:
            self._add_kind(level, name, word)
        elif word == "FROM":
            # "IS DISTINCT FROM" compares.
            if level.operation in _DML and before != "DISTINCT":
                level.expects = level.lists = True
        elif word in _JOINS:
            level.expects = level.joined = level.lists
        elif word == "USING" and level.operation in ("DELETE", "MERGE"):
            level.expects = level.lists = not level.joined
            level.joined = False
        elif word in _ENDS:
            level.expects = False
            level.lists = level.lists and word in ("ON", "AS")
        elif level.expects and word not in _MODIFIERS:
            self._add_target(level, name)

    def _begin_statement(self) -> None:
        self._levels = [_Level(statement=True)]

    def _append(self, part: str) -> None:
        self.parts.append(part)
        self.length += 1 + len(part)

    def _is_operation(self, level: _Level, word: str, begins: bool) -> bool:
        if begins and level.statement:
            return True
        if word == "SELECT":
            return level.operation not in ("GRANT", "REVOKE")
        nested = begins or level.defines or level.operation == "EXPLAIN"
        return bool(nested) and not level.expects and word in _BODIES

    def _begin_operation(self, level: _Level, name: str, word: str) -> None:
        level.operation, level.defines = word, 0
        level.creates = word in _DDL
        level.expects, level.lists = word in _NAMED, word in _LISTED
        level.joined = False
        self._append(name)

    def _add_kind(self, level: _Level, name: str, word: str) -> None:
        if word in _CREATED:
            return
        level.creates = False
        if word in _KINDS:
            self._append(name)
            level.expects = True
        elif level.expects:
            self._add_target(level, name)

    def _add_target(self, level: _Level, name: str) -> None:
        level.expects = False
        if name.upper() not in self._expressions:
            self._append(name)
