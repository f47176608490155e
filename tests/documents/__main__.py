"""Write the made parts of README and docs/ anew."""

from tests.documents.parts import pages, renewed

for page in pages():
    text = page.read_text(encoding="utf-8")
    if (new := renewed(text)) != text:
        page.write_text(new, encoding="utf-8")
        print(f"{page.name}: written anew")
