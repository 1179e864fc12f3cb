"""ISO 4217 as its maintenance agency (SIX, six-group.com) publishes it, through amendment 180 of 22 September 2025.

Taken from other sources than the ledger's own table. The codes are those of Debian's iso-codes 4.15, with amendments
174 (HRK), 175 (SLL), 176 (XCG for ANG), 177 (ZWG for ZWL), 178 (CUC), 179 (XAD) and 180 (BGN). The digits are those of
the JDK 25, UYW's of amendment 169. Withdrawals are those of list three.
"""

_LIST_ONE = """
AED2 AFN2 ALL2 AMD2 AOA2 ARS2 AUD2 AWG2 AZN2 BAM2 BBD2 BDT2 BHD3 BIF0 BMD2 BND2 BOB2 BOV2 BRL2 BSD2
BTN2 BWP2 BYN2 BZD2 CAD2 CDF2 CHE2 CHF2 CHW2 CLF4 CLP0 CNY2 COP2 COU2 CRC2 CUP2 CVE2 CZK2 DJF0 DKK2
DOP2 DZD2 EGP2 ERN2 ETB2 EUR2 FJD2 FKP2 GBP2 GEL2 GHS2 GIP2 GMD2 GNF0 GTQ2 GYD2 HKD2 HNL2 HTG2 HUF2
IDR2 ILS2 INR2 IQD3 IRR2 ISK0 JMD2 JOD3 JPY0 KES2 KGS2 KHR2 KMF0 KPW2 KRW0 KWD3 KYD2 KZT2 LAK2 LBP2
LKR2 LRD2 LSL2 LYD3 MAD2 MDL2 MGA2 MKD2 MMK2 MNT2 MOP2 MRU2 MUR2 MVR2 MWK2 MXN2 MXV2 MYR2 MZN2 NAD2
NGN2 NIO2 NOK2 NPR2 NZD2 OMR3 PAB2 PEN2 PGK2 PHP2 PKR2 PLN2 PYG0 QAR2 RON2 RSD2 RUB2 RWF0 SAR2 SBD2
SCR2 SDG2 SEK2 SGD2 SHP2 SLE2 SOS2 SRD2 SSP2 STN2 SVC2 SYP2 SZL2 THB2 TJS2 TMT2 TND3 TOP2 TRY2 TTD2
TWD2 TZS2 UAH2 UGX0 USD2 USN2 UYI0 UYU2 UYW4 UZS2 VED2 VES2 VND0 VUV0 WST2 XAD2 XAF0 XAG- XAU- XBA-
XBB- XBC- XBD- XCD2 XCG2 XDR- XOF0 XPD- XPF0 XPT- XSU- XTS- XUA- XXX- YER2 ZAR2 ZMW2 ZWG2
"""
LIST_ONE = {code[:3]: None if code[3] == "-" else int(code[3]) for code in _LIST_ONE.split()}
"""Each code in use with its digits; None where the list says that it has none."""

LIST_THREE = {
    "SIT": "2007-01",
    "SDD": "2007-07",
    "CYP": "2008-01",
    "GHC": "2008-01",
    "MTL": "2008-01",
    "VEB": "2008-01",
    "SKK": "2009-01",
    "TMM": "2009-01",
    "EEK": "2011-01",
    "ZMK": "2012-12",
    "LVL": "2014-01",
    "LTL": "2014-12",
    "BYR": "2017-01",
    "MRO": "2017-12",
    "STD": "2017-12",
    "VEF": "2018-08",
    "CUC": "2021-06",
    "HRK": "2023-01",
    "SLL": "2023-12",
    "ZWL": "2024-09",
    "ANG": "2025-03",
    "BGN": "2026-01",
}
"""The month of withdrawal of each currency that was withdrawn since 2007, as the list says it.

Left out are the three that Zimbabwe withdrew one after the other (ZWD, ZWN, ZWR), Ghana's GHP of 2007, funds, and codes
that are on the list for a change of name (RON, PEN, TRY).
"""
