// A refused token is said in words.
if (location.search === "?no") document.getElementById("wrong").hidden = false;
