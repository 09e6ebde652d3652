"""Money and where it is kept: cards, accounts, amounts; each with its check digits."""

from __future__ import annotations

from arrowetl.patterns._countries import COUNTRIES, CURRENCIES, IBAN_FORMS
from arrowetl.patterns.pattern import Pattern, digits_of, full, guarded, once
from arrowetl.sql import literal

_PREFIXES = {
    "Visa": "4[0-9]{12}(?:[0-9]{3}|[0-9]{6})?",
    "Mastercard": (
        "(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    ),
    "American Express": "3[47][0-9]{13}",
    "Diners Club": "3(?:0[0-5]|09|[689][0-9])[0-9]{11,16}",
    "Discover": "(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}",
    "JCB": "35(?:2[89]|[3-8][0-9])[0-9]{12,15}",
    "UnionPay": "(?:62|81)[0-9]{14,17}",
    "Maestro": "(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}",
    "Mir": "220[0-4][0-9]{12}",
}
_ISSUERS = "|".join(_PREFIXES.values())


def _luhn(number: str) -> str:
    """Give the check of ISO/IEC 7812-1: from the right, every second digit counts double."""
    digits = [f"({number} // {10**place}) % 10" for place in range(19)]
    doubled = [f"2 * ({digit}) - CASE WHEN {digit} > 4 THEN 9 ELSE 0 END" for digit in digits]
    return f"({' + '.join(digits[::2] + doubled[1::2])}) % 10 = 0"


def _card(text: str) -> str:
    issued = f"regexp_full_match(digits, {literal(_ISSUERS)})"
    right = once("digits::BIGINT", "number", _luhn("number"))
    return once(digits_of(text), "digits", f"CASE WHEN {issued} THEN {right} ELSE false END")


_KINDS = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}


def _form(form: str) -> str:
    return "".join(f"{_KINDS[part[0]]}{{{part[1:]}}}" for part in form.split())


def _iban(text: str) -> str:
    """Give the check of ISO 13616: the country's form, and 1 left over 97."""
    forms = "|".join(f"{code}[0-9]{{2}}{_form(form)}" for code, form in IBAN_FORMS.items())
    # One remainder after the other: a letter is two digits.
    worth = "CASE WHEN c BETWEEN 48 AND 57 THEN a * 10 + c - 48 ELSE a * 100 + c - 55 END"
    turned = "substr(bare, 5) || left(bare, 4)"
    codes = f"list_transform(string_split({turned}, ''), lambda x: ord(x)::BIGINT)"
    rest = f"list_reduce({codes}, lambda a, c: ({worth}) % 97, 0::BIGINT)"
    right = f"CASE WHEN regexp_full_match(bare, {literal(forms)}) THEN {rest} = 1 ELSE false END"
    return once(f"upper(regexp_replace({text}, '[ .-]', '', 'g'))", "bare", right)


_COUNTRY = COUNTRIES.replace(" ", "|")
_MONEY = CURRENCIES.replace(" ", "|")
_SIGN = r"(?:US\$|C\$|A\$|R\$|[$€£¥₹₽₩₺₴₪฿₫₱₦zł]|kr|Fr\.?|CHF|zł)"
_THOUSANDS = r"['\x{2019}]"
_AMOUNT = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,4})?"
    rf"|[0-9]{{1,3}}(?:(?:[. \x{{a0}}\x{{202f}}]|{_THOUSANDS})[0-9]{{3}})+(?:,[0-9]{{1,4}})?"
    rf"|[0-9]{{1,3}}(?:{_THOUSANDS}[0-9]{{3}})+(?:\.[0-9]{{1,4}})?"
    r"|[0-9]+(?:[.,][0-9]{1,4})?)"
)
_UNIT = rf"(?:{_SIGN}|{_MONEY})"
_SUM = rf"[+-]?(?:{_UNIT}[ \x{{a0}}]?[+-]?{_AMOUNT}(?:[.,]-)?|{_AMOUNT}[ \x{{a0}}]?{_UNIT})"
_CURRENCY = rf"{_SUM}|\({_SUM}\)"

FINANCE = (
    Pattern(
        "credit_card",
        "Credit card number",
        guarded(r"[0-9](?:[ -]?[0-9]){11,18}", _card),
        pii="credit_card",
        digits=(12, 19),
        hints=("card", "credit_card", "cc", "pan"),
        good=("4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444"),
        bad=("4111 1111 1111 1112", "1234567812345670", "4111", "41111111111111111111"),
    ),
    Pattern(
        "iban",
        "IBAN",
        guarded(r"(?i)[a-z]{2}[ .-]?[0-9]{2}(?:[ .-]?[a-z0-9]){11,30}", _iban),
        pii="iban",
        hints=("iban", "account"),
        good=("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"),
        bad=("GB82 WEST 1234 5698 7654 33", "DE8937040044053201300", "XX89370400440532013000"),
    ),
    Pattern(
        "bic",
        "BIC",
        full(rf"[A-Z]{{4}}(?:{_COUNTRY})[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?"),
        hints=("bic", "swift"),
        good=("DEUTDEFF", "NEDSZAJJ123"),
        bad=("DEUTDEF", "DEUTXXFF", "deutdeff", "ABCDEFGHIJ"),
    ),
    Pattern(
        "currency",
        "Amount of money",
        full(_CURRENCY),
        hints=("price", "amount", "cost", "total"),
        good=("$1,234.50", "1.234,50 €", "USD 12", "-£3", "CHF 1'000.00", "(12.00 EUR)"),
        bad=("12.50", "$", "$1,23.4", "USD", "12 XYZ", "(£3", "£3)"),
    ),
    Pattern(
        "percentage",
        "Percentage",
        full(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)[ \x{a0}]?[%‰]"),
        hints=("percent", "pct", "rate"),
        good=("12%", "-3.5 %", "0,5%"),
        bad=("12", "%", "12%%", "1 2%"),
    ),
)
