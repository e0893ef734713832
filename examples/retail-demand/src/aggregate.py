"""Transactions to daily units and promotion share of the 40 largest categories.

The categories are those that sold most before CATEGORIES_UNTIL, so that no later night can change
what the table holds. FUEL and MISCELLANEOUS count something other than units and are left out.
A category without a sale on a day that has sales at all, or on a day between two such days, has 0 units.
"""

import datetime
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import headrace as hr

CATEGORIES = 40
CATEGORIES_UNTIL = datetime.date(2017, 3, 15)
NOT_UNITS = ["FUEL", "MISCELLANEOUS"]


def known_products() -> pa.Table:
    """Product id and category, without the departments whose quantity is not units."""
    products = pq.read_table(hr.input("products"), columns=["product_id", "department", "product_category"])
    keep = pc.and_(
        pc.invert(pc.is_in(products["department"], pa.array(NOT_UNITS))), pc.is_valid(products["product_category"])
    )
    return products.filter(keep).select(["product_id", "product_category"])


def sales_by_day(products: pa.Table) -> pa.Table:
    """One row per category and UTC day: units, and units bought on promotion."""
    columns = ["product_id", "quantity", "retail_disc", "coupon_disc", "transaction_timestamp"]
    sales = pq.read_table(hr.input("sales"), columns=columns)
    promoted = pc.or_(pc.greater(sales["retail_disc"], 0), pc.greater(sales["coupon_disc"], 0))
    sales = pa.table(
        {
            "product_id": sales["product_id"],
            "date": pc.cast(sales["transaction_timestamp"], pa.timestamp("us")).cast(pa.date32(), safe=False),
            "units": sales["quantity"],
            "promo": pc.if_else(promoted, sales["quantity"], 0),
        }
    )
    joined = sales.join(products, "product_id", join_type="inner")
    return joined.group_by(["product_category", "date"]).aggregate([("units", "sum"), ("promo", "sum")])


def largest(table: pa.Table) -> list[str]:
    """The categories that sold most units before CATEGORIES_UNTIL, in alphabetical order."""
    early = table.filter(pc.less(table["date"], pa.scalar(CATEGORIES_UNTIL)))
    totals = early.group_by("product_category").aggregate([("units_sum", "sum")])
    order = sorted(zip(totals["units_sum_sum"].to_pylist(), totals["product_category"].to_pylist()), key=lambda t: (-t[0], t[1]))
    return sorted(category for _, category in order[:CATEGORIES])


def on_a_calendar(table: pa.Table, categories: list[str]) -> pa.Table:
    """Every category on every day from the first to the last, in a fixed order, so that equal sales give equal bytes."""
    table = table.filter(pc.is_in(table["product_category"], pa.array(categories)))
    days = table["date"].cast(pa.int32()).to_numpy()
    first, last = int(days.min()), int(days.max())
    span = last - first + 1
    row = pc.index_in(table["product_category"], pa.array(categories)).to_numpy() * span + (days - first)
    units = np.zeros(len(categories) * span, dtype=np.int64)
    promo = np.zeros_like(units)
    units[row] = table["units_sum"].to_numpy()
    promo[row] = table["promo_sum"].to_numpy()
    share = np.divide(promo, units, out=np.zeros(len(units)), where=units > 0)
    return pa.table(
        {
            "product_category": pa.array(np.repeat(np.array(categories, dtype=object), span), pa.string()),
            "date": pa.array(np.tile(np.arange(first, last + 1, dtype=np.int32), len(categories))).cast(pa.date32()),
            "units": units,
            "promo_share": share,
        }
    )


def main() -> None:
    table = sales_by_day(known_products())
    daily = on_a_calendar(table, largest(table))
    target = pathlib.Path(hr.output("daily"))
    target.mkdir(parents=True, exist_ok=True)
    pq.write_table(daily, target / "daily.parquet", compression="zstd")
    print(f"{daily.num_rows} rows, {len(daily['date'].unique())} days, {len(daily['product_category'].unique())} categories")


if __name__ == "__main__":
    main()
