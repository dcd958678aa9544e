"""Replays a month of a real shop's sales through the API and reconciles every figure to the cent.

The format is that of the "Online Retail" data set (a gift wholesaler in the UK): one row a line, with the columns
InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID and Country.
"""
