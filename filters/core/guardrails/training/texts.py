"""Writes what the model of names and addresses is trained with besides marked texts: names.json, and sentences of our own as JSON lines.

    pip install faker==40.63.0
    python texts.py FOLDER

Names and the parts of addresses are Faker's (MIT); the sentences are ours.
"""

import importlib
import json
import pathlib
import random
import re
import sys

from faker import Faker
from faker.config import AVAILABLE_LOCALES

LOCALES = (
    "en_US en_GB en_IN en_AU en_CA de_DE fr_FR es_ES it_IT nl_NL pl_PL sv_SE da_DK fi_FI no_NO pt_BR cs_CZ hu_HU tr_TR ro_RO hr_HR"
).split()

# {P}: a name of a person, {A}: an address, {O}: what is neither.
WITH_FINDINGS = """
Please write to {P} before Friday.
{P} called about the invoice.
I spoke with {P} yesterday and {P} agreed.
Customer: {P}\\nAddress: {A}
Ship it to {A}
ship the parcel to {P}, {A}
My name is {P} and I live at {A}.
i am {P}
Hello, this is {P}. Can you hear me?
Dear {P},\\nthank you for your letter.
Regards,\\n{P}
Could you ask {P} to send the report?
The account holder is {P}.
Name: {P}
{P}'s mother moved to {A} last year.
We met {P} at {A}.
Our office is at {A}. It opens at nine.
Deliver to: {P}\\n{A}\\nThanks
Patient {P} was seen on Monday.
Who is {P}?
Summarize the email from {P} to {P}.
Draft a letter to Mr. {P}.
Ms. {P} has asked for a refund.
It was decided by Dr. {P} and Mrs. {P}.
Is {P} free at noon?
change my address to {A} please
My new address is {A}
Meeting: {P}, {P} and {P}
Thanks, {P}
Beneficiary name {P}
Forward this to {P} in accounting.
{P} wrote:
The driver, {P}, lives in {A}.
Hi {P}, how are you?
Tell me about the life of {P}.
According to {P}, prices will rise.
{P} said so.
I think {P} is right.
When was {P} born?
{P}\\n{A}
{A}
{P}, {A}
Our customer {P} complains that nothing has arrived.
Please update the record of {P} ({A}).
where is {A}?
Directions to {A}
The novel by {P} was published by {O}.
{P} works for {O}.
{O} was founded by {P}.
{P} left {O} in 2014, says {P}.
{O}\\n{P}\\n{A}
Contact: {P}, {O}, {A}, phone 0348 2102744
Invoice of {O} to {P}
They called {P} at 070 4493 5104.
""".strip().split("\n")

WITHOUT = """
What is the capital of France?
Write a Python function that sorts a list.
The European Central Bank raised rates on Thursday.
Monday Morning Report
How do I reset my password?
New York City has five boroughs.
Explain the Treaty of Versailles.
Machine Learning Engineer at a bank
I bought 3 apples and 12 pears for 5 dollars.
Order number 48213 has not arrived
The card was declined at the supermarket.
Translate to Spanish: Good morning.
Version 2 of the API returns 404 errors
It takes 15 minutes on foot and 5 minutes by car.
In 1999 the company moved 300 people.
Chapter 12 Section 4 explains the method.
Create a table with 10 rows and 4 columns.
South Korea and Japan signed 3 agreements.
Top 10 Tips for Better Sleep
The new phone has 8 GB of memory.
United Nations Security Council
Summer Sale: 50% off all shoes
Call 0348 2102744 or 51 516 33 75 tomorrow.
They are not answering at 785 8949.
Will my account stay open?
Will you be there in May?
Can I pay with my card in Sydney or Georgia?
Mark all that apply, then Grant access.
The title refers to a street. It was on this street that many of the clubs were.
Personal Info:\\nPhone:\\n358 0594\\n\\nE-mail:
The idea was born in April in Vienna.
{O} is a company in the automobile industry.
{O} and {O} compete for customers.
{O} opened 12 stores in {C} and {C}.
I flew from {C} to {C} last week.
{C} was great to visit!
Is {C} larger than {C}?
The weather in {C} is bad.
Shares of {O} rose by 4 percent.
Apply for a job at {O}
def main(argc, argv): return 0
SELECT id, total FROM orders WHERE year = 2020 LIMIT 10
The Rolling Hills Golf Club is closed.
A History of the Roman Empire, Volume 2
Chief Executive Officer, Head of Sales and Vice President
English, French and German are spoken here.
Is it the 3rd of March or the 21st of June?
Use Section 12 of the Companies Act 2006.
""".strip().split("\n")

APARTMENTS = ("", "", " Apt. {}", " Suite {}", ", Apt {}", "\n Apt. {:03}", " Unit {}", " Flat {}", ", {} floor")
REGIONS = "NY CA TX WA OR IL KA MH DL NSW ON".split()


class Texts:
    """Sentences with names and addresses of many countries."""

    def __init__(self):
        self.random = random.Random(5)
        self.fakers = [Faker(locale) for locale in LOCALES]
        for faker in self.fakers:
            faker.seed_instance(7)

    def person(self):
        faker, kind = self.random.choice(self.fakers), self.random.random()
        if kind < 0.3:
            return faker.first_name()
        if kind < 0.4:
            return faker.last_name()
        middle = f" {self.random.choice('ABCDEJKLMPRST')}." if kind > 0.95 else ""
        return f"{faker.first_name()}{middle} {faker.last_name()}"

    def address(self):
        faker, pick = self.random.choice(self.fakers), self.random.choice
        street = faker.street_address().replace("\n", " ")
        if self.random.random() < 0.2:
            return street
        apartment = pick(APARTMENTS).format(self.random.randint(1, 999))
        town, code = faker.city(), faker.postcode() if self.random.random() < 0.7 else ""
        place = pick((f"{town} {code}", f"{code} {town}", town, f"{town}, {pick(REGIONS)} {code}")).strip()
        return street + apartment + pick((", ", "\n ", "\n", " ")) + place

    def text(self, form):
        text, spans = "", []
        for part in re.split(r"(\{[PAOC]\})", form.replace("\\n", "\n")):
            if part in ("{P}", "{A}"):
                value = self.person() if part == "{P}" else self.address()
                kind = "PERSON" if part == "{P}" else "ADDRESS"
                spans.append({"start": len(text), "end": len(text) + len(value), "type": kind})
                text += value
            elif part == "{O}":
                text += self.random.choice(self.fakers).company()
            elif part == "{C}":
                faker = self.random.choice(self.fakers)
                text += faker.city() if self.random.random() < 0.6 else faker.country()
            else:
                text += part
        return {"text": text, "spans": spans}


def names(kind):
    """Faker's lists of names in letters that have small ones."""
    found = set()
    for locale in sorted(AVAILABLE_LOCALES):
        try:
            provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        except ModuleNotFoundError:
            continue
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if kind in attribute and isinstance(values, (list, tuple, dict)):
                found |= {word for value in values for word in re.split(r"[\W_\d]+", str(value).lower()) if len(word) > 2}
    return sorted(word for word in found if all(ord(letter) < 0x530 for letter in word))


def main():
    folder = pathlib.Path(sys.argv[1])
    lists = {"given": names("first_name"), "family": names("last_name")}
    (folder / "names.json").write_text(json.dumps(lists, ensure_ascii=False))
    texts = Texts()
    rows = [texts.text(texts.random.choice(WITH_FINDINGS)) for _ in range(3000)]
    rows += [texts.text(form) for form in WITHOUT for _ in range(30 if "{" in form else 3)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


main()
