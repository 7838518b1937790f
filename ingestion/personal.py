"""Whether a column seems to tell who a person is: by its name, by how its values are written, by how many differ.

Such a column stays at home unless the owner names it. This is a warning, not a proof: what no rule here knows passes.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import polars as pl

from ingestion.reading import Kind

ENOUGH = 0.5  # of the words of a column, that look like it
UNIQUE = 0.97  # of the rows, that have a value of their own
LONG_NUMBERS = 100_000  # a column of numbers that spreads less is no telephone's or document's
FEW_ROWS = 50  # under these, all values may differ by chance

_NAMES: dict[str, str] = {  # what it tells, and words of headers in several languages
    "names of persons": "name firstname lastname surname forename fullname givenname familyname middlename maidenname"
    " vorname nachname familienname geburtsname nom prenom nomdefamille nombre apellido apellidos nome cognome"
    " sobrenome naam voornaam achternaam imie nazwisko",
    "e-mail addresses": "email mail emailaddress mailadresse courriel correo",
    "telephone numbers": "phone telephone mobile cell fax tel telefon handy mobil telefono celular telefoon",
    "postal addresses": "address street addressline adresse strasse hausnummer rue direccion calle indirizzo straat",
    "dates of birth": "birthdate dateofbirth birth born geboren dob birthday geburtsdatum geburtstag datenaissance"
    " fechanacimiento",
    "national numbers": "ssn socialsecurity socialsecuritynumber nationalid nationalinsurance nino taxid tin steuerid"
    " sozialversicherungsnummer ahv nir dni nie cpf curp rfc pesel bsn personnummer codicefiscale aadhaar nhsnumber",
    "numbers of documents": "passport passportnumber drivinglicense driverslicense licenseplate reisepass ausweis"
    " fuhrerschein kennzeichen vin",
    "bank accounts and cards": "iban bic accountnumber bankaccount kontonummer creditcard cardnumber kreditkarte",
    "addresses of machines": "ip ipaddress macaddress imei deviceid",
    "accounts": "username userid login nickname customerid clientid memberid kundennummer patientid patientnumber mrn"
    " employeeid personalnummer matrikelnummer",
}
_KEYS = {"id", "uuid", "guid", "key", "index", "rowid", "recordid", "nr", "no", "number", "nummer", "numero", "serial"}
_VALUES: dict[str, str] = {
    "e-mail addresses": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "telephone numbers": r"^(\+|00)\d[\d ()/.-]{6,18}\d$|^\(?0\d{1,4}\)?[ /-]\d[\d -]{4,12}$"
    r"|^\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}$",
    "bank accounts and cards": r"^[A-Z]{2}\d{2}[ ]?([A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{0,4}$|^\d{4}([ -]\d{4}){3}$",
    "national numbers": r"^\d{3}-\d{2}-\d{4}$|^\d{8}[A-HJ-NP-TV-Z]$|^[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]$"
    r"|^[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]$|^\d{3}\.\d{3}\.\d{3}-\d{2}$",
    "identifiers": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "addresses of machines": r"^(\d{1,3}\.){3}\d{1,3}$|^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$",
}
# These count wherever they stand in a header, all other words only as a whole, or two together.
_SURE = {
    "email", "phone", "telephone", "telefon", "telefono", "surname", "vorname", "nachname", "apellido", "apellidos",
    "cognome", "achternaam", "iban", "ssn", "passport", "birthdate", "birthday", "dob", "geburtsdatum", "geburtstag",
    "imei", "nino", "codicefiscale", "personnummer", "pesel",
}  # fmt: skip
_BY_WORD = {word: told for told, words in _NAMES.items() for word in words.split()}


def identifies(
    name: str, kind: Kind, sample: pl.Series, *, distinct: int, rows: int, width: float | None = None
) -> str:
    """What a column seems to tell of a person, in words; "" for nothing that is known here.

    `sample` are some of its values; `distinct` of its `rows` values differ; `width` is from the smallest number to the
    largest.
    """
    told = _by_name(name)
    spread = width is None or width >= LONG_NUMBERS
    if told and kind not in ("real", "boolean") and (spread or told == "accounts"):
        return told
    told = _by_value(sample)
    if told:
        return told
    unique = rows >= FEW_ROWS and distinct >= UNIQUE * rows
    if unique and kind == "text":
        return "a value of its own in nearly every row"
    running = width is not None and width < 1.1 * rows
    if unique and kind == "integer" and (running or _KEYS & set(_split(name))):
        return "a number of its own in nearly every row"
    return ""


def _split(name: str) -> list[str]:
    """A header's words, in small letters without accents: of "Patient-ID" patient and id."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", plain)]


def _by_name(name: str) -> str:
    low = _split(name)
    joined = ["".join(low), *(one + other for one, other in pairwise(low)), *(word for word in low if word in _SURE)]
    return next((_BY_WORD[word] for word in joined if word in _BY_WORD), "")


def _by_value(sample: pl.Series) -> str:
    if sample.dtype != pl.String:
        return ""
    words = sample.str.strip_chars().drop_nulls()
    words = words.filter(words != "")
    for told, pattern in _VALUES.items() if len(words) else ():
        if words.str.contains(pattern).mean() >= ENOUGH:  # type: ignore[operator]
            return told
    return ""
