"""Codes of countries (ISO 3166-1), currencies (ISO 4217) and the forms of IBANs (ISO 13616)."""

from __future__ import annotations

from collections.abc import Mapping

COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
    "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
    "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS XK YE YT ZA ZM ZW"
)
"""Two letters each; Kosovo's XK among them."""

CURRENCIES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN "
    "BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD "
    "FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY "
    "KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR "
    "RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT "
    "TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR "
    "ZMW ZWG"
)
"""Three letters each: those that are in use."""

_IBANS: Mapping[str, str] = {
    "n8 c12": "AD",
    "n19": "AE IL SO TL",
    "n8 c16": "AL CY",
    "n16": "AT BA EE LT MN XK",
    "a4 c20": "AZ",
    "n12": "BE",
    "a4 n6 c8": "BG",
    "a4 c14": "BH",
    "n23": "BI DJ MR",
    "n23 a1 c1": "BR",
    "c4 n4 c16": "BY",
    "n5 c12": "CH LI",
    "n18": "CR DE ME RS VA",
    "n20": "CZ ES SE SK TN",
    "n14": "DK FI FO GL SD",
    "c4 n20": "DO",
    "n25": "EG",
    "a2 n12": "FK",
    "n10 c11 n2": "FR MC",
    "a4 n14": "GB IE",
    "a2 n16": "GE",
    "a4 c15": "GI",
    "n7 c16": "GR",
    "c24": "GT",
    "a4 n20": "HN NI SV",
    "n17": "HR",
    "n24": "HU PL",
    "a4 n15": "IQ",
    "n22": "IS",
    "a1 n10 c12": "IT SM",
    "a4 n4 c18": "JO YE",
    "a4 c22": "KW",
    "n3 c13": "KZ LU",
    "n4 c20": "LB",
    "a4 c24": "LC",
    "a4 c13": "LV",
    "n21": "LY PT ST",
    "c20": "MD",
    "n3 c10 n2": "MK",
    "a4 n5 c18": "MT",
    "a4 n19 a3": "MU",
    "a4 n10": "NL",
    "n11": "NO",
    "n3 c16": "OM",
    "a4 c16": "PK RO",
    "a4 c21": "PS QA",
    "n14 c15": "RU",
    "n2 c18": "SA",
    "a4 n20 a3": "SC",
    "n15": "SI",
    "n6 c16": "TR",
    "n6 c19": "UA",
    "a4 n16": "VG",
}
"""The countries by what follows the check digits of their IBANs: so many digits (n), capital
letters (a) or either (c)."""

IBAN_FORMS: Mapping[str, str] = {
    code: form for form, codes in _IBANS.items() for code in codes.split()
}
"""What follows an IBAN's check digits, by country."""
