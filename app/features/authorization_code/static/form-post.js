// Sends the answer on at once; without JavaScript the button does it.
document.forms[0].submit();
