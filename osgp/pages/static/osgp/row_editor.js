"use strict";

// A text area whose JSON is a list of flat objects becomes a table: a row per object, a field per column. The text
// area stays what is sent; without this script it can be written by hand. data-columns says what the columns are.
function editAsRows(area) {
    const columns = JSON.parse(area.dataset.columns);
    const editor = document.createElement("div");
    const table = editor.appendChild(document.createElement("table"));
    const body = document.createElement("tbody");
    editor.className = "rows-editor";
    table.append(makeHead(columns), body);
    editor.append(makeButton("Add a row", () => addRow({}).querySelector("input, select").focus()));
    editor.append(makeButton("Edit as JSON", () => show(false)));
    const back = makeButton("Edit as table", () => show(true));
    area.before(editor);
    area.after(back);

    const addRow = (values) => {
        const row = makeRow(columns, values);
        row.append(makeCell(makeButton("Remove", () => {
            row.remove();
            write();
        })));
        body.append(row);
        return row;
    };
    const write = () => {
        const rows = [...body.rows].map((row) => readRow(row, columns)).filter((row) => row !== null);
        area.value = rows.length ? JSON.stringify(rows, null, 1) : "";
    };
    const show = (asTable) => {
        const rows = asTable ? parseRows(area.value, columns) : null;
        if (asTable && rows === null) {
            area.setCustomValidity("This cannot be shown as a table.");
            area.reportValidity();
            return;
        }
        area.setCustomValidity("");
        if (asTable) {
            body.replaceChildren();
            (rows.length ? rows : [{}]).forEach(addRow);
        }
        area.hidden = asTable;
        back.hidden = asTable;
        editor.hidden = !asTable;
    };
    area.addEventListener("input", () => area.setCustomValidity(""));
    editor.addEventListener("input", write);
    editor.addEventListener("change", write);
    editor.hidden = true;
    if (parseRows(area.value, columns) !== null) {
        show(true);
    }
}

function makeButton(text, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain-button";
    button.textContent = text;
    button.addEventListener("click", act);
    return button;
}

function makeCell(content) {
    const cell = document.createElement("td");
    cell.append(content);
    return cell;
}

function makeHead(columns) {
    const head = document.createElement("thead");
    const row = head.insertRow();
    for (const column of columns) {
        const cell = row.appendChild(document.createElement("th"));
        cell.textContent = column.label;
        cell.title = column.help ?? "";
        cell.classList.toggle("required", column.required);
    }
    row.appendChild(document.createElement("th"));
    return head;
}

function makeRow(columns, values) {
    const row = document.createElement("tr");
    for (const column of columns) {
        const field = makeField(column, values[column.name] ?? column.default);
        field.dataset.column = column.name;
        field.setAttribute("aria-label", column.label);
        field.title = column.help ?? "";
        row.append(makeCell(field));
    }
    return row;
}

function makeField(column, value) {
    const choices = column.kind === "truth" ? ["true", "false"] : column.choices;
    if (choices) {
        const field = document.createElement("select");
        field.append(new Option("–", ""), ...choices.map((choice) => new Option(choice, choice)));
        field.value = value === undefined ? "" : String(value);
        return field;
    }
    const field = document.createElement("input");
    field.type = column.kind === "number" ? "number" : "text";
    if (column.kind === "number") {
        field.min = column.min ?? "";
        field.max = column.max ?? "";
        field.step = "1";
    }
    field.value = value ?? "";
    return field;
}

// What a row says; null if nothing was entered in it.
function readRow(row, columns) {
    const values = {};
    for (const column of columns) {
        const text = row.querySelector(`[data-column="${column.name}"]`).value;
        if (text === "") {
            continue;
        }
        values[column.name] = column.kind === "truth" ? text === "true"
            : column.kind === "number" && Number.isSafeInteger(Number(text)) ? Number(text) : text;
    }
    const entered = Object.keys(values).some((name) => {
        const column = columns.find((item) => item.name === name);
        return values[name] !== column.default;
    });
    return entered ? values : null;
}

// The objects of a text; null if they have anything that the table could not show.
function parseRows(text, columns) {
    if (text.trim() === "") {
        return [];
    }
    try {
        const rows = JSON.parse(text);
        const kinds = {truth: "boolean", number: "number", text: "string", choice: "string"};
        const fits = (row) => row !== null && typeof row === "object" && !Array.isArray(row)
            && Object.entries(row).every(([name, value]) => {
                const column = columns.find((item) => item.name === name);
                return column !== undefined && typeof value === kinds[column.kind];
            });
        return Array.isArray(rows) && rows.every(fits) ? rows : null;
    } catch {
        return null;
    }
}

document.querySelectorAll("textarea[data-columns]").forEach(editAsRows);
