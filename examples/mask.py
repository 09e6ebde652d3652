"""Customers without their personal data: in the table, in the dead letters, in what is printed."""

import secrets

import arrowetl as ae

# Kept where secrets are kept, and the same in every run: equal values then have equal hashes, and
# tables can be joined on them. Without key=, it is read from ARROWETL_MASK_KEY.
key = secrets.token_hex(32)

rejected = ae.ArrowLoader()
result = (
    ae.Pipeline("customers", dead_letters=rejected)
    .extract(ae.CSVSource("fixtures/customers/messy.csv"))
    # Rejects rows before the mask is reached: what it masks is hidden in them nevertheless.
    .transform(ae.Cast({"signup_date": "DATE"}, on_error="dead_letter"))
    .transform(
        ae.Mask(
            {
                "Email Address": "hash",
                "phone": "tokenise",
                "Full Name": "{first1}***",
                "card_number": "{first4}****{last4}",
                "signup_date": "month",
            },
            key=key,
        )
    )
    .load(ae.ArrowLoader())
    .run()
    .result
)
print(result)
shown = ["Full Name", "phone", "card_number", "signup_date", "Email Address"]
print(result.table.select(shown).slice(0, 4).to_pandas().to_string(index=False))
print("\nA dead letter:", rejected.table["row"][0], rejected.table["reason"][0], sep="\n")
